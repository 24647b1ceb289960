'use strict'

const native = require('./native/index.js')

/** The presets by name, made from the native table: numbers stand in one place, and that is Rust. */
const RetryPresets = Object.freeze(
  Object.fromEntries(native.retryPresetTable().map(({ name, ...preset }) => [name, Object.freeze(preset)])),
)

const presetNames = Object.freeze(Object.keys(RetryPresets))

/**
 * The name of a preset that was given as `RetryPresets.fast`. By identity: as an object it would be a set of
 * changes to the storage's policy and keep, say, its deadline, where `'fast'` replaces all of it.
 */
function nameOfPreset(value) {
  return presetNames.find((name) => RetryPresets[name] === value)
}

module.exports = { RetryPresets, nameOfPreset, presetNames }
