import { SCENARIOS } from '@/lib/lab/scenarios'

interface Props {
  value: string
  onChange: (scenario: string) => void
}

/** What is to go wrong between this app and R2. */
export function FaultSwitch({ value, onChange }: Props) {
  const chosen = SCENARIOS.find(({ id }) => id === value)
  return (
    <fieldset className="faults">
      <legend>Fault between the app and R2</legend>
      <div className="choices">
        {SCENARIOS.map(({ id, name }) => (
          <label key={id}>
            <input type="radio" name="fault" value={id} checked={id === value} onChange={() => onChange(id)} />
            <span>{name}</span>
          </label>
        ))}
      </div>
      <p className="hint">{chosen?.says}</p>
    </fieldset>
  )
}
