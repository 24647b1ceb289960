'use strict'

// Where a server does otherwise than R2: by its name and the check's, what is seen there, and why. A deviation that is
// over fails its check.

const noConditions = { outcome: 'stored' }
const strictXml =
  'its response to the first step has another root element (InitiateMultipartUpload), which our XML reader refuses'

const deviations = {
  rclone: {
    'ifNoneMatch where there is something': {
      seen: { ...noConditions, body: 'second' },
      why: 'it knows no conditions of writes',
    },
    'ifMatch of another version': { seen: { ...noConditions, body: 'two' }, why: 'it knows no conditions of writes' },
    'an object in parts': { seen: { code: 'ERR_PROTOCOL', status: 200, category: 'service' }, why: strictXml },
    'an object in parts, only where there is none': {
      seen: { code: 'NotFound', status: 404, category: 'service' },
      why: strictXml,
    },
    'an upload in parts that was broken off is found and removed': {
      seen: { removed: [...Array(6).fill('film.mp4'), ...Array(3).fill('kept.bin')], left: [] },
      why: 'it began uploads whose names nobody could read, and abortIncompleteUploads() finds them',
    },
  },
  moto: {
    'a wrong secret': { seen: 'stored', why: 'it checks no signatures' },
    'a presigned URL that was changed': { seen: 200, why: 'it checks no signatures' },
  },
}

module.exports = { deviations }
