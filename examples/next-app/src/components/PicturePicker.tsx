'use client'

import { useEffect, useRef, useState } from 'react'

const SAMPLES = ['cat', 'coffee', 'rocket']

interface Props {
  pictures: File[]
  onChange: (pictures: File[]) => void
}

/** The user's own files, and three pictures to begin with. */
export function PicturePicker({ pictures, onChange }: Props) {
  const previews = usePreviews(pictures)
  const add = useRef<HTMLInputElement>(null)

  async function toggle(sample: string) {
    const name = `${sample}.jpg`
    if (pictures.some((picture) => picture.name === name))
      return onChange(pictures.filter((picture) => picture.name !== name))
    const bytes = await (await fetch(`/samples/${name}`)).blob()
    onChange([...pictures, new File([bytes], name, { type: 'image/jpeg' })])
  }

  const own = pictures.flatMap((picture, index) =>
    SAMPLES.some((sample) => picture.name === `${sample}.jpg`) ? [] : [{ picture, preview: previews[index] }],
  )
  return (
    <fieldset className="picker">
      <legend>Pictures</legend>
      <div className="thumbnails">
        {SAMPLES.map((sample) => {
          const chosen = pictures.some((picture) => picture.name === `${sample}.jpg`)
          return (
            <button
              key={sample}
              type="button"
              aria-pressed={chosen}
              onClick={() => void toggle(sample)}
              title={`Sample: ${sample}`}
            >
              <img src={`/samples/${sample}.jpg`} alt={sample} />
            </button>
          )
        })}
        {own.map(({ picture, preview }) => (
          <button
            key={`${picture.name}-${picture.lastModified}`}
            type="button"
            aria-pressed
            title={`Remove ${picture.name}`}
            onClick={() => {
              // This button goes; the keyboard's focus stays in the row.
              add.current?.focus()
              onChange(pictures.filter((other) => other !== picture))
            }}
          >
            <img src={preview} alt={picture.name} />
          </button>
        ))}
        <label className="add" title="Add your own">
          <input
            ref={add}
            type="file"
            accept="image/*"
            multiple
            onChange={(event) => {
              onChange([...pictures, ...(event.target.files ?? [])])
              event.target.value = ''
            }}
          />
          <span aria-hidden>+</span>
          <span className="hidden">Add your own pictures</span>
        </label>
      </div>
    </fieldset>
  )
}

function usePreviews(pictures: File[]): string[] {
  const [urls, setUrls] = useState<string[]>([])
  useEffect(() => {
    const made = pictures.map((picture) => URL.createObjectURL(picture))
    setUrls(made)
    return () => made.forEach((url) => URL.revokeObjectURL(url))
  }, [pictures])
  return urls
}
