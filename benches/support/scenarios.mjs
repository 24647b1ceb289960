// What is uploaded, how many at once, and over what.

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** Of one size only is uploaded from a file: what does not fit into memory many times. */
const FROM_FILE_BYTES = GIB

const sizes = [
  ['1 KiB', KIB],
  ['64 KiB', 64 * KIB],
  ['2 MiB', 2 * MIB],
  ['64 MiB', 64 * MIB],
  ['1 GiB', GIB],
]

/** So much may be in flight: clients that copy each body must not fill the memory. */
const MOST_IN_FLIGHT = GIB

function scenario(size, concurrency, tls) {
  const [label, bytes] = sizes.find(([name]) => name === size)
  const fromFile = bytes === FROM_FILE_BYTES
  const title = `${label}${fromFile ? ' from a file' : ''}, ${concurrency} at once, ${tls ? 'TLS' : 'plain'}`
  return { title, label, bytes, concurrency, tls, fromFile }
}

export function scenarios({ full }) {
  if (!full) {
    return [
      scenario('1 KiB', 1, false),
      scenario('1 KiB', 64, false),
      scenario('1 KiB', 64, true),
      scenario('64 KiB', 16, true),
      scenario('2 MiB', 16, false),
      scenario('2 MiB', 16, true),
      scenario('64 MiB', 1, true),
      scenario('1 GiB', 1, false),
    ]
  }
  return [false, true].flatMap((tls) =>
    sizes.flatMap(([size, bytes]) =>
      [1, 16, 64, 256, 1024]
        .filter((concurrency) => bytes * concurrency <= MOST_IN_FLIGHT)
        .map((concurrency) => scenario(size, concurrency, tls)),
    ),
  )
}
