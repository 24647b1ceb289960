'use strict'

// The fault catalogue: families of rows. What a row is stands in support/cases.js.

const families = [
  'names',
  'connections',
  'tls',
  'bodies',
  'responses',
  'statuses',
  'throttling',
  'multipart',
  'downloads',
  'processes',
  'inputs',
  'addresses',
].map((name) => require(`./${name}.js`))
const rows = families.flatMap((family) => family.rows)

const twice = rows.map((row) => row.id).filter((id, index, ids) => ids.indexOf(id) !== index)
if (twice.length > 0) throw new Error(`rows with one name: ${twice.join(', ')}`)

module.exports = { families, rows }
