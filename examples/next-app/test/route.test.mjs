import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { APP_URL, LAB_CONTROL_URL, faults, formWith, isPng, post, sample, stored } from './support.mjs'

describe('/api/gen-drawing', () => {
  afterEach(() => faults())

  test('stores inputs and drawings, and gives links that work', async () => {
    const response = await post(formWith(['cat', 'coffee']))
    assert.equal(response.status, 200)
    const { results, partial } = await response.json()
    assert.equal(partial, false)
    assert.deepEqual(
      results.map(({ name }) => name),
      ['cat.jpg', 'coffee.jpg'],
    )
    for (const [index, name] of ['cat', 'coffee'].entries()) {
      const { input, drawing } = results[index]
      assert.deepEqual(stored(input.key), sample(name))
      const linked = await fetch(drawing.url)
      assert.equal(linked.headers.get('content-type'), 'image/png')
      assert.match(linked.headers.get('cache-control'), /immutable/)
      const bytes = Buffer.from(await linked.arrayBuffer())
      assert.ok(isPng(bytes))
      assert.deepEqual(stored(drawing.key), bytes)
    }
  })

  test('stores a drawing that the provider gives as a temporary link', async () => {
    const response = await post(formWith(['rocket'], { respondWith: 'temporaryUrl' }))
    const { results } = await response.json()
    assert.ok(isPng(stored(results[0].drawing.key)))
  })

  test('survives resets in the middle of both uploads', async () => {
    await faults(
      { fault: 'reset', keyContains: 'inputs/', times: 1 },
      { fault: 'reset', keyContains: 'outputs/', times: 1 },
    )
    const { results, partial } = await (await post(formWith(['cat']))).json()
    assert.equal(partial, false)
    assert.equal(results[0].input.attempts, 2)
    assert.equal(results[0].drawing.attempts, 2)
    assert.deepEqual(stored(results[0].input.key), sample('cat'))
  })

  for (const respondWith of ['bytes', 'temporaryUrl']) {
    test(`gives back a drawing that cannot be stored (${respondWith})`, async () => {
      await faults({ fault: 'status', status: 403, code: 'AccessDenied', keyContains: '/0.png' })
      const response = await post(formWith(['cat', 'rocket'], { respondWith }))
      assert.equal(response.status, 200)
      const { results, partial } = await response.json()
      assert.equal(partial, true)
      const [lost, kept] = results.map(({ drawing }) => drawing)
      assert.equal(lost.uploadError, true)
      assert.equal(lost.errorMessage, 'Image generated but storage failed. Please download and save manually.')
      assert.ok(lost.reason.length > 0)
      assert.ok(isPng(Buffer.from(lost.imageBase64, 'base64')))
      assert.equal(kept.uploadError, false)
      assert.ok(isPng(stored(kept.key)))
    })
  }

  test('draws although the input cannot be stored', async () => {
    await faults({ fault: 'status', status: 403, code: 'AccessDenied', keyContains: 'inputs/' })
    const { results, partial } = await (await post(formWith(['cat']))).json()
    assert.equal(partial, true)
    assert.equal(results[0].input.uploadError, true)
    assert.ok(isPng(stored(results[0].drawing.key)))
  })

  const without = (name) => {
    const form = formWith(['cat'])
    form.delete(name)
    return form
  }
  const withFile = (file) => {
    const form = without('pictures')
    form.append('pictures', file)
    return form
  }
  const bad = {
    'no picture': [without('pictures'), /at least one picture/],
    'no prompt': [without('prompt'), /prompt/],
    'a prompt that is too long': [formWith(['cat'], { prompt: 'x'.repeat(1001) }), /1000/],
    'too many pictures': [formWith(Array.from({ length: 9 }, () => 'cat')), /at most 8/],
    'an unknown respondWith': [formWith(['cat'], { respondWith: 'carrier pigeon' }), /respondWith/],
    'an empty file': [withFile(new File([], 'nothing.png')), /nothing\.png is empty/],
    'a file that is no picture': [
      withFile(new File(['hello'], 'hello.png', { type: 'image/png' })),
      /hello\.png is not a picture/,
    ],
    'text instead of a file': [withFile('hello'), /must be files/],
    'no form data': ['{}', /form data/],
  }
  for (const [what, [body, says]] of Object.entries(bad)) {
    test(`refuses ${what}`, async () => {
      const response = await post(body)
      assert.equal(response.status, 400)
      assert.match((await response.json()).error, says)
    })
  }

  test('stops when the sender goes', async () => {
    await faults({ fault: 'hang', keyContains: 'inputs/' })
    const leaving = new AbortController()
    const response = post(formWith(['cat']), { signal: leaving.signal })
    setTimeout(() => leaving.abort(), 300)
    await assert.rejects(response, { name: 'AbortError' })
    await faults()
    // The hanging request was given up, not waited for: the proxy saw its end.
    const deadline = Date.now() + 10_000
    for (;;) {
      const { events } = await (await fetch(`${LAB_CONTROL_URL}/events`)).json()
      if (events.some(({ action }) => action === 'hang')) break
      assert.ok(Date.now() < deadline, 'the upload continued after its sender had gone')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })
})

describe('/api/lab', () => {
  test('refuses a scenario that is none', async () => {
    const response = await fetch(`${APP_URL}/api/lab`, { method: 'PUT', body: '{"scenario":"fire"}' })
    assert.equal(response.status, 400)
  })
})

describe('/api/temporary', () => {
  test('gives nothing without its token', async () => {
    assert.equal((await fetch(`${APP_URL}/api/temporary/some?token=other`)).status, 404)
  })
})
