'use client'

import { type FormEvent, useState } from 'react'
import { useGeneration } from '@/lib/client/use-generation'
import { useLab } from '@/lib/client/use-lab'
import { FaultSwitch } from './FaultSwitch'
import { NetworkLog } from './NetworkLog'
import { PictureCard } from './PictureCard'
import { PicturePicker } from './PicturePicker'

/** The whole page. */
export function Studio({ hasLab, hasDashboard }: { hasLab: boolean; hasDashboard: boolean }) {
  const [pictures, setPictures] = useState<File[]>([])
  const [scenario, setScenario] = useState('off')
  const [labError, setLabError] = useState<string>()
  const { generation, start, stop } = useGeneration()
  const lab = useLab(hasLab && generation.running)

  async function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    for (const picture of pictures) form.append('pictures', picture)
    setLabError(undefined)
    try {
      if (hasLab) {
        await lab.clear()
        // Again before each run: faults are used up.
        await lab.arm(scenario)
      }
    } catch (error) {
      setLabError((error as Error).message)
      return
    }
    await start(form)
  }

  const { names, progress, result, error, running } = generation
  return (
    <div className="page">
      <header>
        <h1>Drawings that arrive</h1>
        <p>
          Each picture is stored on R2, drawn, and the drawing is stored, too.
          {hasLab ? ' Break the network in between, and watch the uploads get through.' : ''}
          {hasDashboard && (
            <>
              {' '}
              <a href="/ops/storage">How the storage is doing</a>
            </>
          )}
        </p>
      </header>
      <main>
        <form onSubmit={onSubmit} className="panel">
          <PicturePicker pictures={pictures} onChange={setPictures} />
          <label className="field">
            <span>Prompt</span>
            <input name="prompt" defaultValue="A line drawing in blue ink" maxLength={1000} required />
          </label>
          <label className="field">
            <span>The provider answers with</span>
            <select name="answerWith" defaultValue="bytes">
              <option value="bytes">the picture itself (uploadFile)</option>
              <option value="temporaryUrl">a temporary link (downloadAndUpload)</option>
            </select>
          </label>
          {hasLab && <FaultSwitch value={scenario} onChange={setScenario} />}
          {running ? (
            <button key="stop" type="button" className="quiet" onClick={stop}>
              Stop
            </button>
          ) : (
            <button key="draw" type="submit" disabled={pictures.length === 0}>
              Draw {pictures.length > 1 ? `${pictures.length} pictures` : 'it'}
            </button>
          )}
        </form>
        <section className="stage" aria-live="polite" data-state={running ? 'running' : result ? 'done' : 'idle'}>
          {(error ?? labError) && <p className="banner bad">{error ?? labError}</p>}
          {result && !result.partial && <p className="banner good">Everything is on R2.</p>}
          {result?.partial && <p className="banner warn">Some of it did not get through. What was drawn is below.</p>}
          {names.length === 0 && <p className="empty">Choose a picture and press Draw.</p>}
          {names.map((name, index) => (
            <PictureCard key={`${index}-${name}`} index={index} name={name} progress={progress} result={result?.results[index]} />
          ))}
          {hasLab && names.length > 0 && <NetworkLog events={lab.events} />}
        </section>
      </main>
    </div>
  )
}
