import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { newStorage } from 'reliable-r2'
import { startLocalR2, type LocalR2 } from 'reliable-r2/testing'
import { savePicture } from './save-picture.js'

let r2: LocalR2
beforeAll(async () => {
  r2 = await startLocalR2()
})
afterEach(() => r2.reset())
afterAll(() => r2.stop())

test('a picture is stored though the first response is lost', async () => {
  r2.faults([{ fault: 'dropResponse', method: 'PUT', times: 1 }])

  const url = await savePicture('cat', Buffer.from('a cat'), newStorage({ ...r2.config, retry: 'persistent' }))

  expect(url).toBe(`${r2.url}/pictures/pictures/cat.png`)
  expect(r2.objects().get('pictures/cat.png')).toMatchObject({ size: 5, contentType: 'image/png' })
  expect(r2.events()).toHaveLength(2)
})
