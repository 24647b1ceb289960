// `npm run task release:sbom`: what is in a package, in CycloneDX 1.6. A package is packed with its own; this prints that of the
// binary for TARGET, or of the main package.
//
// Nothing in it depends on when or where it was made, so that the same sources give the same bytes.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../lib/prepare.mjs'
import { checksums, licenceOf, linkedCrates } from './crates.mjs'
import { findTarget, main, readJson, targets } from './targets.mjs'

const sha256 = (content) => ({ alg: 'SHA-256', content })
const npmPurl = (name, version) => `pkg:npm/${name}@${version}`
const licences = (expression) => expression && { licenses: [{ expression }] }

/** A serial number has to be a UUID; this one is made of what it numbers. */
function serialNumber(text) {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((parseInt(hex[16], 16) & 0x3) | 0x8).toString(16)
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

function document(component, components, dependencies) {
  const content = { metadata: { component }, components, dependencies }
  const head = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
  }
  const numbered = { ...head, serialNumber: serialNumber(JSON.stringify(content)), version: 1, ...content }
  return `${JSON.stringify(numbered, null, 2)}\n`
}

function described({ name, version, description, license }, more) {
  const purl = npmPurl(name, version)
  return { type: 'library', 'bom-ref': purl, name, version, description, ...licences(license), purl, ...more }
}

/** Of the package of one system: the crates that are linked into its binary. */
export function bom(target, addon) {
  const { crates, direct } = linkedCrates(target.triple)
  const sums = checksums()
  const refs = new Map(crates.map((crate) => [crate.id, `pkg:cargo/${crate.name}@${crate.version}`]))
  const components = crates.map((crate) => {
    const sum = sums.get(`${crate.name}@${crate.version}`)
    const { name, version, description } = crate
    const purl = refs.get(crate.id)
    return {
      type: 'library',
      'bom-ref': purl,
      name,
      version,
      ...(description && { description: description.trim().replace(/\s+/g, ' ') }),
      ...(sum && { hashes: [sha256(sum)] }),
      ...licences(licenceOf(crate)),
      purl,
    }
  })
  const hashes = [sha256(createHash('sha256').update(addon).digest('hex'))]
  const component = described({ ...target.manifest, version: main.version }, { hashes })
  const links = (ids) => [...new Set(ids.map((id) => refs.get(id)))].sort()
  const dependencies = [
    { ref: component['bom-ref'], dependsOn: links(direct) },
    ...crates.map(({ id, dependencies }) => ({ ref: refs.get(id), dependsOn: links(dependencies) })),
  ]
  return document(component, components, dependencies)
}

/** Of the main package: the chart library in the dashboard's page, and the packages with the binaries. */
export function bomOfMain() {
  const uplot = readJson('node_modules', 'uplot', 'package.json')
  const component = described(main)
  const components = [
    described(uplot),
    ...targets.map(({ manifest }) => described({ ...manifest, version: main.version }, { scope: 'optional' })),
  ]
  const dependencies = [{ ref: component['bom-ref'], dependsOn: components.map((it) => it['bom-ref']) }]
  return document(component, components, dependencies)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const target = process.argv[2] && findTarget(process.argv[2])
  process.stdout.write(target ? bom(target, readFileSync(path.join(root, target.file))) : bomOfMain())
}
