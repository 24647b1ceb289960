'use client'

import { type FormEvent, type MouseEvent, useState } from 'react'
import { isStored } from '@/lib/client/generation'
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
  const { generation, start, retry, stop } = useGeneration()
  const lab = useLab(hasLab && generation.running)

  async function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
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
    await start(form, pictures)
  }

  function onStop(event: MouseEvent<HTMLButtonElement>) {
    // By the time the browser acts on the click, the button may be the one that submits.
    event.preventDefault()
    stop()
  }

  const { names, progress, outcomes, error, running } = generation
  const isOver = names.length > 0 && !running
  const isWhole = isOver && outcomes.every(isStored)
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
            <span>The provider responds with</span>
            <select name="respondWith" defaultValue="bytes">
              <option value="bytes">the picture itself (uploadFile)</option>
              <option value="temporaryUrl">a temporary link (downloadAndUpload)</option>
            </select>
          </label>
          {hasLab && <FaultSwitch value={scenario} onChange={setScenario} />}
          {/* One button, so that the keyboard's focus stays where it is when the work begins and when it ends. */}
          <button
            type={running ? 'button' : 'submit'}
            className={running ? 'main quiet' : 'main'}
            disabled={!running && pictures.length === 0}
            onClick={running ? onStop : undefined}
          >
            {running ? 'Stop' : `Draw ${pictures.length > 1 ? `${pictures.length} pictures` : 'it'}`}
          </button>
        </form>
        <section className="stage" aria-live="polite" data-state={running ? 'running' : isOver ? 'done' : 'idle'}>
          {(error ?? labError) && <p className="banner bad">{error ?? labError}</p>}
          {isWhole && <p className="banner good">Everything is on R2.</p>}
          {isOver && !isWhole && !error && (
            <p className="banner warn">Some of it did not get through. What was drawn is below.</p>
          )}
          {names.length === 0 && <p className="empty">Choose a picture and press Draw.</p>}
          {names.map((name, index) => (
            <PictureCard
              key={`${index}-${name}`}
              index={index}
              name={name}
              progress={progress}
              outcome={outcomes[index]!}
              isIdle={!running}
              onRetry={retry}
            />
          ))}
          {hasLab && names.length > 0 && <NetworkLog events={lab.events} />}
        </section>
      </main>
    </div>
  )
}
