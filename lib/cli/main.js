'use strict'

const { parseArgs } = require('node:util')
const { StorageError } = require('../errors.js')
const { newStorage } = require('../storage.js')
const { VERSION } = require('../native/index.js')
const { presetNames } = require('../presets.js')
const { commands } = require('./commands.js')
const { loadEnvironment } = require('./environment.js')
const { makeOutput } = require('./output.js')
const { UsageError } = require('./usage.js')

const HELP = `reliable-r2 ${VERSION}: uploads to Cloudflare R2 that succeed

  reliable-r2 put FILE... [KEY | PREFIX/]   store files; - is standard input and needs a KEY
  reliable-r2 copy URL KEY                  store what a URL gives
  reliable-r2 get KEY [FILE]                read an object; to standard output if FILE is -
  reliable-r2 ls [PREFIX]                   list objects
  reliable-r2 rm KEY...                     remove objects; --recursive PREFIX/ all below it
  reliable-r2 doctor                        find out what is wrong, and what to do about it

  --type T            content type                --cache C       Cache-Control, or immutable
  --compress MODE     gzip, br or auto            --if-absent     only where there is no such object
  --checkpoint FILE   continue after a crash      --retry PRESET  ${presetNames.join(', ')}
  --concurrency N     files at a time (4)         --force         rm: what is not there is no failure
  --endpoint URL      --region R      --bucket B  instead of STORAGE_ENDPOINT, _REGION, _BUCKET
  --env FILE          instead of .env.local and .env
  --json              one JSON object for each line of output
  --quiet             no progress, no retries
  --help, --version

The keys come from STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY, which may stand in .env.local or .env.
Exit codes: 0 done, 1 failed, 2 wrong usage or input, 75 failed for now (try again), 130 interrupted.
`

const OPTIONS = {
  type: { type: 'string' },
  cache: { type: 'string' },
  compress: { type: 'string' },
  'if-absent': { type: 'boolean' },
  checkpoint: { type: 'string' },
  concurrency: { type: 'string' },
  force: { type: 'boolean', short: 'f' },
  recursive: { type: 'boolean', short: 'r' },
  retry: { type: 'string' },
  endpoint: { type: 'string' },
  region: { type: 'string' },
  bucket: { type: 'string' },
  env: { type: 'string' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
}

const FAILED = 1
const WRONG_USAGE = 2
/** EX_TEMPFAIL of sysexits.h. */
const FAILED_FOR_NOW = 75
const INTERRUPTED = 130

/** Runs one command; resolves to the exit code. `terminal` has stdin, stdout and stderr. */
async function main(args, terminal) {
  let output = makeOutput(terminal, {})
  const interruption = new AbortController()
  const interrupt = () => interruption.abort()
  process.once('SIGINT', interrupt)
  try {
    const { values, positionals } = parse(args)
    output = makeOutput(terminal, values)
    if (values.version) return (output.line(VERSION), 0)
    const [name, ...operands] = positionals
    if (values.help || name === undefined) return (terminal.stdout.write(HELP), name || values.help ? 0 : WRONG_USAGE)
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!command) throw new UsageError(`there is no command ${JSON.stringify(name)}`)
    loadEnvironment(values.env)
    const { endpoint, region, bucket, retry } = values
    const config = { endpoint, region, bucket, retry, profile: 'cli', logger: { warn: output.retry } }
    const open = () => newStorage(config)
    return (await command({ operands, values, output, open, config, signal: interruption.signal, terminal })) ?? 0
  } catch (error) {
    output.error(error)
    return exitCodeOf(error, interruption.signal)
  } finally {
    process.off('SIGINT', interrupt)
    output.end()
  }
}

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error.message)
  }
}

function exitCodeOf(error, signal) {
  if (signal.aborted) return INTERRUPTED
  if (error instanceof UsageError) return WRONG_USAGE
  if (!(error instanceof StorageError)) return FAILED
  if (error.category === 'input') return WRONG_USAGE
  return error.retryable ? FAILED_FOR_NOW : FAILED
}

module.exports = { main }
