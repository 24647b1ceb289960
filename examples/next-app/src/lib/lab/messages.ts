/** A request as the fault proxy saw it. */
export interface ProxyEvent {
  seq: number
  atMs: number
  method: string | null
  key: string | null
  /** `forward`, or the fault's name. */
  action: string
  status: number | null
  bodyBytes: number
}

export interface ProxyEvents {
  events: ProxyEvent[]
  last: number
}
