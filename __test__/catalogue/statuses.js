'use strict'

// M: what the storage says no with.

const { final, passes, raw, retried, response, status } = require('./support/cases.js')

const service = { category: 'service' }
const auth = { category: 'auth' }
const input = { category: 'input' }

const each = (list, make) =>
  list.flatMap(([code, name, ...rest]) =>
    make(code, name, ...rest).map((test) => ({ ...test, name: `${code} ${name} ${test.name}` })),
  )
const fixed = (list, expect) =>
  each(list, (number, code) => retried(status(number, code), { ...expect, code, status: number }))
const refused = (list, expect) =>
  each(list, (number, code) => final(status(number, code), { ...expect, code, status: number }))

const rows = [
  { id: 'M-01', what: '500 InternalError', cases: fixed([[500, 'InternalError']], service) },
  { id: 'M-02', what: '502', cases: fixed([[502, 'BadGateway']], service) },
  { id: 'M-03', what: '503 ServiceUnavailable', cases: fixed([[503, 'ServiceUnavailable']], service) },
  { id: 'M-04', what: '504', cases: fixed([[504, 'GatewayTimeout']], service) },
  { id: 'M-05', what: '507', cases: fixed([[507, 'InsufficientStorage']], service) },
  { id: 'M-06', what: '509', cases: fixed([[509, 'BandwidthLimitExceeded']], service) },
  { id: 'M-07', what: '401 Unauthorized', cases: refused([[401, 'Unauthorized']], auth) },
  { id: 'M-08', what: '403 AccessDenied', cases: refused([[403, 'AccessDenied']], auth) },
  {
    id: 'M-09',
    what: '403 SignatureDoesNotMatch',
    cases: refused(
      [
        [403, 'SignatureDoesNotMatch'],
        [403, 'InvalidAccessKeyId'],
      ],
      auth,
    ),
  },
  {
    id: 'M-10',
    what: '403 NotEntitled, ObjectLockedByBucketPolicy',
    cases: refused(
      [
        [403, 'NotEntitled'],
        [403, 'ObjectLockedByBucketPolicy'],
      ],
      auth,
    ),
  },
  {
    id: 'M-11',
    what: 'No such bucket, or no name for one',
    cases: refused(
      [
        [404, 'NoSuchBucket'],
        [400, 'InvalidBucketName'],
      ],
      input,
    ),
  },
  {
    id: 'M-12',
    what: 'A name or metadata that the storage does not take',
    cases: refused(
      [
        [400, 'InvalidObjectName'],
        [400, 'MetadataTooLarge'],
        [400, 'KeyTooLongError'],
      ],
      input,
    ),
  },
  {
    id: 'M-13',
    what: 'The digest does not match the bytes (sent once more), or is none',
    cases: [
      {
        name: 'BadDigest once',
        faults: [{ ...status(400, 'BadDigest'), times: 1 }],
        expect: { ok: true, attempts: 2 },
      },
      {
        name: 'BadDigest always',
        faults: [status(400, 'BadDigest')],
        expect: { ...service, code: 'BadDigest', status: 400, attempts: 2 },
      },
      ...refused([[400, 'InvalidDigest']], input),
    ],
  },
  { id: 'M-14', what: '400 ExpiredRequest: signed anew', cases: [passes(status(400, 'ExpiredRequest'))] },
  {
    id: 'M-15',
    what: '405, 411, 416, 501: what another try will not change; a 501 may be for the checksum, which is left out then, in the same attempt',
    cases: [
      ...refused(
        [
          [405, 'MethodNotAllowed'],
          [411, 'MissingContentLength'],
          [416, 'InvalidRange'],
        ],
        service,
      ),
      ...refused([[501, 'NotImplemented']], { ...service, requests: 2 }),
      {
        name: '501 for the checksum',
        faults: [{ ...status(501, 'NotImplemented'), times: 1 }],
        expect: { ok: true, attempts: 1, requests: 2 },
      },
    ],
  },
  {
    id: 'M-16',
    what: '409: another operation is under way',
    cases: fixed(
      [
        [409, 'OperationAborted'],
        [409, 'ConditionalRequestConflict'],
      ],
      service,
    ),
  },
  { id: 'M-17', what: '412 PreconditionFailed', cases: refused([[412, 'PreconditionFailed']], {}) },
  {
    id: 'M-18',
    what: 'Codes that nobody knows: 418, 451, an unknown one with 400',
    cases: refused(
      [
        [418, 'Teapot'],
        [451, 'Unavailable'],
        [400, 'UnknownToAll'],
      ],
      service,
    ),
  },
  {
    id: 'M-19',
    what: '429 TooManyRequests',
    cases: [
      {
        name: 'once',
        faults: [{ ...status(429, 'TooManyRequests'), times: 1 }],
        expect: { ok: true, attempts: 2, withinMs: [990, 120_000] },
      },
    ],
  },
  {
    id: 'M-20',
    what: 'A code that nobody knows, with a status that says "later"',
    cases: fixed(
      [
        [500, 'UnknownToAll'],
        [503, 'UnknownToAll'],
      ],
      service,
    ),
  },
  {
    id: 'M-21',
    what: '408 and RequestTimeout: the body did not come in time',
    cases: [
      ...each(
        [
          [408, 'RequestTimeout'],
          [400, 'RequestTimeout'],
        ],
        (number, code) => retried(status(number, code), { category: 'timeout', code, status: number }),
      ),
    ],
  },
  {
    id: 'M-22',
    what: '499: the edge says that the client has gone',
    cases: [passes(raw(response('499 Client Closed Request', {})))],
  },
]

module.exports = { title: 'M: statuses', rows }
