'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const { createServer } = require('node:http')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, afterEach, before, describe, test } = require('node:test')
const { gunzipSync } = require('node:zlib')
const { Lab, noise } = require('../support/lab.js')
const { bin, commandLine } = require('./support/cli.js')

describe('the command line', { timeout: 120_000 }, () => {
  let lab
  let folder
  let environment
  before(async () => {
    lab = await Lab.start()
    folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-cli-'))
    environment = lab.environment
    writeFileSync(path.join(folder, 'a.png'), noise(1000))
    writeFileSync(path.join(folder, 'b.txt'), 'hello\n'.repeat(1000))
  })
  after(async () => {
    await lab.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(() => lab.faults())

  const run = (...args) => commandLine(folder, environment)(...args)
  const object = (key) => lab.stored(key)

  test('put, ls, get, rm', async () => {
    const stored = await run(['put', 'a.png', 'b.txt', 'files/'])
    assert.deepEqual([stored.code, stored.stderr], [0, '2 of 2 stored\n'], stored.stderr)
    assert.match(stored.out, /pictures\/files\/a\.png {2}\(1000 B, \d+ ms\)\n.*files\/b\.txt/)
    assert.ok(object('files/a.png').equals(noise(1000)))

    const listed = await run(['ls', 'files/'])
    assert.match(
      listed.out,
      /^ {4}1000 B {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}files\/a\.png\n {3}5\.9 KiB .* files\/b\.txt\n$/,
    )

    assert.equal((await run(['get', 'files/a.png', 'got.png'])).code, 0)
    assert.ok(readFileSync(path.join(folder, 'got.png')).equals(noise(1000)))
    assert.ok((await run(['get', 'files/a.png', '-'])).stdout.equals(noise(1000)))

    assert.match(
      (await run(['rm', 'files/a.png', 'files/b.txt'])).out,
      /removed files\/a\.png\nremoved files\/b\.txt\n/,
    )
    assert.equal(object('files/a.png'), undefined)
    assert.equal((await run(['ls'])).out, '')
  })

  test('put to a key, from standard input, compressed, and only once', async () => {
    assert.equal((await run(['put', 'a.png', 'one/key.png'])).code, 0)
    assert.ok(object('one/key.png'))
    assert.equal(
      (await run(['put', '-', 'stdin.txt', '--type', 'text/plain', '--compress', 'auto'], { input: 'x'.repeat(5000) }))
        .code,
      0,
    )
    assert.equal(gunzipSync(object('stdin.txt')).toString(), 'x'.repeat(5000))
    const again = await run(['put', 'a.png', 'one/key.png', '--if-absent'])
    assert.deepEqual([again.code, /PreconditionFailed/.test(again.stderr)], [1, true])
  })

  test('faults are survived and reported', async () => {
    await lab.faults({ fault: 'reset', times: 1 })
    const { code, out, stderr } = await run(['put', 'a.png', '--retry', 'persistent'])
    assert.equal(code, 0)
    assert.match(out, /2 attempts/)
    assert.match(stderr, /\[Storage\] Upload retry 1\/50 in \d+ ms: ECONNRESET/)
  })

  test('--json is a line of JSON for each result, and for an error', async () => {
    const { out } = await run(['put', 'a.png', 'b.txt', '--json'])
    assert.deepEqual(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).key),
      ['a.png', 'b.txt'],
    )
    const { code, stderr } = await run(['get', 'nothing', '--json'])
    assert.deepEqual([code, JSON.parse(stderr).error.code], [1, 'NotFound'])
    assert.equal(existsSync(path.join(folder, 'nothing')), false)
  })

  test('copy', async () => {
    const source = createServer((_, response) => response.end('from afar')).listen(0, '127.0.0.1')
    await new Promise((resolve) => source.once('listening', resolve))
    const blocked = await run(['copy', `http://127.0.0.1:${source.address().port}/x?token=CANARY`, 'copied'])
    source.close()
    assert.deepEqual([blocked.code, /ERR_BLOCKED_URL/.test(blocked.stderr)], [2, true])
    assert.equal((await run(['copy', 'nonsense', 'copied'])).code, 2)
  })

  test('exit codes distinguish wrong usage, failure, and failure for now', async () => {
    for (const args of [
      [],
      ['nonsense'],
      ['put'],
      ['put', '-'],
      ['get'],
      ['rm'],
      ['ls', 'a', 'b'],
      ['ls', '--nonsense'],
      ['put', 'missing.png'],
      ['ls', '--env', 'missing'],
    ]) {
      assert.equal((await run(args)).code, 2, args.join(' '))
    }
    await lab.faults({ fault: 'status', status: 403, code: 'AccessDenied' })
    assert.equal((await run(['put', 'a.png'])).code, 1)
    await lab.faults({ fault: 'refuse' })
    assert.equal((await run(['put', 'a.png', '--retry', 'fast', '--quiet'])).code, 75)
  })

  test('two files are not stored as one', async () => {
    writeFileSync(path.join(folder, 'one.txt'), 'x')
    mkdirSync(path.join(folder, 'sub'), { recursive: true })
    writeFileSync(path.join(folder, 'sub', 'one.txt'), 'y')
    for (const args of [
      ['sub/one.txt', 'one.txt'],
      ['sub/one.txt', 'one.txt', 'pics/'],
    ]) {
      const { code, stderr } = await run(['put', ...args])
      assert.deepEqual([code, /two files would be stored as (pics\/)?one\.txt/.test(stderr)], [2, true], stderr)
    }
    assert.equal(object('one.txt'), undefined)
  })

  test('a folder of the name .env is none of ours', async () => {
    mkdirSync(path.join(folder, '.env'))
    assert.equal((await run(['ls'])).code, 0)
    rmSync(path.join(folder, '.env'), { recursive: true })
  })

  test('who has read enough ends it', {
    skip: process.platform === 'win32' && 'Windows has no pipes of that kind',
  }, async () => {
    const child = spawn('sh', ['-c', '"$0" "$1" --help | true', process.execPath, bin], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const complaints = Buffer.concat(await child.stderr.toArray()).toString()
    assert.equal(complaints, '')
  })

  test('of several files all are there before the first is stored', async () => {
    writeFileSync(path.join(folder, 'alone.txt'), 'x')
    const { code, stderr } = await run(['put', 'alone.txt', 'b.txt', 'folder'])
    assert.deepEqual(
      [code, /there is no file folder; a PREFIX for several files ends in \//.test(stderr)],
      [2, true],
      stderr,
    )
    assert.equal(object('alone.txt'), undefined)
  })

  test('--help and --version', async () => {
    const { code, out } = await run(['--help'])
    assert.deepEqual([code, /doctor/.test(out)], [0, true])
    assert.equal((await run(['-v'])).out.trim(), require('../../package.json').version)
  })

  test('an interrupted upload leaves nothing and says so', {
    skip: process.platform === 'win32' && 'Windows has no signals',
  }, async () => {
    await lab.faults({ fault: 'hang', method: 'PUT' })
    const { code, stderr } = await run(['put', 'a.png', 'interrupted'], { signalAfterMs: 1500 })
    assert.deepEqual([code, stderr], [130, 'reliable-r2: interrupted\n'])
  })

  test('keys come from .env.local, then .env, then nowhere', async () => {
    const [first, ...rest] = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
    writeFileSync(path.join(folder, '.env.local'), first)
    writeFileSync(path.join(folder, '.env'), ['STORAGE_ENDPOINT=http://127.0.0.1:1', ...rest].join('\n'))
    const { code, stderr } = await run(['ls'], { env: {} })
    assert.equal(code, 0, stderr)
    rmSync(path.join(folder, '.env'))
    rmSync(path.join(folder, '.env.local'))
    const missing = await run(['ls'], { env: {} })
    assert.deepEqual([missing.code, /STORAGE_ENDPOINT/.test(missing.stderr)], [2, true])
  })

  describe('doctor', () => {
    const diagnose = async (env = {}) => {
      const { code, out } = await run(['doctor', '--json', '--retry', 'fast'], { env: { ...environment, ...env } })
      const steps = out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      return { code, steps, last: steps.at(-1) }
    }

    test('finds all well', async () => {
      const { code, out, stderr } = await run(['doctor'])
      assert.equal(code, 0, out + stderr)
      assert.match(
        out,
        /✓ configuration .*\n✓ DNS .*\n✓ TCP .*\n✓ TLS .*\n✓ clock .*\n✓ credentials and bucket .*\n✓ write .*\n✓ read .*\n! public domain .*\n✓ delete /,
      )
      assert.match(stderr, /All is well/)
      assert.equal((await run(['ls', 'reliable-r2-doctor/'])).out, '', 'the probe is gone')
    })

    test('over TLS, with an authority of our own', async () => {
      const ca = path.join(folder, 'ca.pem')
      writeFileSync(ca, lab.caCertificate)
      const { code, steps } = await diagnose({ STORAGE_ENDPOINT: lab.tlsProxy, NODE_EXTRA_CA_CERTS: ca })
      assert.equal(code, 0, JSON.stringify(steps.at(-1)))
      assert.match(steps.find(({ step }) => step === 'TLS').found, /TLSv1\.3/)
    })

    const ill = {
      'a missing key': [{ STORAGE_SECRET_KEY: '' }, 'configuration', /secretKey/],
      'a wrong endpoint': [{ STORAGE_ENDPOINT: 'https://short.r2.cloudflarestorage.com' }, 'configuration', /endpoint/],
      'a host that is not there': [{ STORAGE_ENDPOINT: 'https://no-such-host.invalid' }, 'DNS', /host name|DNS/],
      'a closed port': [{ STORAGE_ENDPOINT: 'http://127.0.0.1:1' }, 'TCP', /nothing is listening/],
      'another bucket': [{ STORAGE_BUCKET: 'no-such-bucket' }, 'credentials and bucket', /STORAGE_BUCKET/],
      'a wrong secret': [{ STORAGE_SECRET_KEY: 'CANARYWRONG' }, 'credentials and bucket', /STORAGE_SECRET_KEY/],
      'an unknown key': [{ STORAGE_ACCESS_KEY: 'unknown' }, 'credentials and bucket', /STORAGE_ACCESS_KEY/],
    }
    for (const [name, [env, step, advice]] of Object.entries(ill)) {
      test(`finds ${name}`, async () => {
        const { code, last } = await diagnose(env)
        assert.deepEqual([code, last.step, last.ok], [1, step, false], JSON.stringify(last))
        assert.match(last.advice, advice)
      })
    }

    test('finds an authority that is not trusted', async () => {
      const { code, last } = await diagnose({ STORAGE_ENDPOINT: lab.tlsProxy })
      assert.deepEqual([code, last.step], [1, 'credentials and bucket'])
      assert.match(last.advice, /NODE_EXTRA_CA_CERTS/)
    })

    test('finds a token that may only read', async () => {
      await lab.faults({ fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT' })
      const { code, last } = await diagnose()
      assert.deepEqual([code, last.step, last.code], [1, 'write', 'AccessDenied'])
      assert.match(last.advice, /Read & Write/)
    })
  })
})
