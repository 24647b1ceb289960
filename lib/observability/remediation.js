'use strict'

// What a failure means and what to do about it, for whoever is on call. Codes of R2:
// https://developers.cloudflare.com/r2/api/error-codes/

const STATUS_PAGE = 'Look at https://www.cloudflarestatus.com for R2, and at the status of your host.'

const network = {
  reset: {
    means: 'The connection was cut while it was in use.',
    steps: [
      'A few are normal, and retries cure them. Many at once: check for a deploy, a NAT gateway or proxy with a short idle timeout, or a full connection table between this process and the host.',
      STATUS_PAGE,
    ],
  },
  unreachable: {
    means: 'There is no route from this machine to the host.',
    steps: [
      'Check the outgoing network of this machine: firewall, security group, VPN, a proxy that is required.',
      'If only IPv6 or only IPv4 is broken here, switch the broken one off.',
    ],
  },
  certificate: {
    means: 'The certificate of the host is not trusted, so nothing was sent.',
    steps: [
      'If a proxy of your company reads TLS, give its authority in NODE_EXTRA_CA_CERTS or caCertificates.',
      'Check the host name of STORAGE_ENDPOINT, and the clock of this machine.',
      'Do not switch verification off: the credentials would go to whoever responds.',
    ],
  },
  handshake: {
    means: 'The host refused the TLS handshake. R2 does so for an account id that it does not know.',
    steps: [
      'Check the account id in STORAGE_ENDPOINT (32 hex digits), and its jurisdiction (eu, fedramp, us).',
      'Check that the port speaks TLS. A new account’s endpoint may take some minutes to appear.',
    ],
  },
  files: {
    means: 'The operating system has no file descriptors left.',
    steps: [
      'Raise the limit (ulimit -n, LimitNOFILE).',
      'Find what leaks files or sockets in this process, and lower maxConnections.',
    ],
  },
}

const auth = {
  keys: {
    means: 'The storage does not know the access key, or the secret key does not belong to it.',
    steps: [
      'Compare STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY with the R2 API token. Was it rolled, has it expired, does a copied value end in a space or a line break?',
      'STORAGE_REGION must be auto for R2.',
      '`npx reliable-r2 doctor` in this environment checks each of them.',
    ],
  },
  rights: {
    means: 'The key is known, and may not do this.',
    steps: [
      'Give the R2 API token "Object Read & Write" for this bucket; check whether it is limited to other buckets or IP addresses.',
      'Check STORAGE_BUCKET, and that the endpoint is that of the account (and jurisdiction: eu, fedramp, us) which holds it.',
    ],
  },
  clock: {
    means: 'The time of the signature is too far from the time of the storage.',
    steps: [
      'Set the clock of this machine by NTP.',
      'A machine that was suspended, or an overloaded event loop, signs late: look at its load.',
    ],
  },
}

const busy = {
  means: 'The storage turned requests away because too many came.',
  steps: [
    'R2 allows one write a second to a key: check for several writers of the same key, and give each write a key of its own.',
    'Otherwise lower maxConnections, or spread the load over more time.',
  ],
}

const trouble = {
  means: 'The storage failed inside. That is its fault, and usually passes.',
  steps: [
    STATUS_PAGE,
    'If it lasts: retry "persistent" tries for up to two minutes, a second endpoint (failover) rides out more.',
    'Cloudflare support asks for the request id, where there is one below.',
  ],
}

const changed = {
  means: 'What arrived is not what was sent.',
  steps: [
    'If it repeats with one file: is it written to while it is read, or is its contentLength wrong?',
    'If it repeats with many: a proxy on the way changes bodies (compression, virus scan). Exclude the storage from it.',
  ],
}

const source = {
  means: 'The address that the object was to come from did not give it.',
  steps: [
    'Open the address yourself: temporary links of image providers expire within minutes to hours.',
    'Store what you generate at once, and keep the bytes until the upload has succeeded.',
  ],
}

const refused = {
  means: 'The request was refused as it is, and would be refused again.',
  steps: ['The message names the header, key or size that is wrong. Fix the request in the code of your application.'],
}

const edge = {
  means: 'The network in front of the storage responded, and could not reach it.',
  steps: [STATUS_PAGE, 'Cloudflare support asks for the request id (the ray), where there is one below.'],
}

const elsewhere = {
  means: 'The response sends the request elsewhere, which no S3 storage of this kind does.',
  steps: ['Check STORAGE_ENDPOINT: the S3 API’s host, with https, not the public domain of the bucket.'],
}

const BY_CODE = {
  ENOTFOUND: {
    means: 'There is no such host name.',
    steps: [
      'Check STORAGE_ENDPOINT: https://<account id>.r2.cloudflarestorage.com, the account id being 32 hex digits.',
      'If it was right before: check the DNS of this machine (resolv.conf, the cluster’s DNS service).',
    ],
  },
  EAI_AGAIN: {
    means: 'The DNS server did not respond.',
    steps: [
      'Check the DNS of this machine or cluster: it is overloaded, or cut off. In Kubernetes look at CoreDNS and ndots.',
      'Other services on this machine have the same problem.',
    ],
  },
  ECONNREFUSED: {
    means: 'Connection refused: nothing is listening at that address and port.',
    steps: [
      'Check host and port of STORAGE_ENDPOINT. For a server of your own: is it running?',
      'For R2 it is rare: a firewall or proxy that refuses by reset. Try `curl -v` to the endpoint from this machine.',
    ],
  },
  ...sharing(network.reset, 'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ClientDisconnect'),
  ...sharing(network.unreachable, 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EACCES', 'EPERM'),
  EADDRNOTAVAIL: {
    means: 'This machine has no free local port left for another connection.',
    steps: [
      'Something here opens and drops connections quickly: look at `ss -s`.',
      'Keep one storage for the whole process; lower maxConnections.',
    ],
  },
  ...sharing(network.files, 'EMFILE', 'ENFILE'),
  ...sharing(network.handshake, 'EPROTO', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE'),
  ...sharing(
    network.certificate,
    'CERT_NOT_YET_VALID',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_INVALID',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ),
  ETIMEDOUT: {
    means: 'No response came in time.',
    steps: [
      'All sizes: a firewall or a proxy blocks outgoing connections, or the network or the storage is slow. Compare p50 and p99, and ' +
        STATUS_PAGE.replace('Look', 'look'),
      'Large objects on a slow line: raise retry.timeout, or let them go in parts (multipartThresholdBytes).',
      'On a serverless platform: is the function’s own time limit longer than the call’s?',
    ],
  },
  ERR_CIRCUIT_OPEN: {
    means: 'The breaker is open: the endpoint has failed so often that requests are held back.',
    steps: [
      'The cause is in the failures before this one. It closes by itself once a probe succeeds.',
      'Give a deadlineMs, and calls wait for that; give a second endpoint, and they go there.',
    ],
  },
  ...sharing(
    busy,
    'SlowDown',
    'TooManyRequests',
    'TooManyRequestsException',
    'Throttling',
    'ThrottlingException',
    'RequestLimitExceeded',
    'TooMuchConcurrency',
  ),
  ...sharing(auth.keys, 'Unauthorized', 'InvalidAccessKeyId', 'NotSignedUp'),
  SignatureDoesNotMatch: {
    means: 'The signature is not the one that the storage computed.',
    steps: [
      'Most often the secret key is wrong or was copied with a space: compare STORAGE_SECRET_KEY with the R2 API token.',
      'A proxy that rewrites the path, Host or headers breaks signatures: send to the endpoint directly.',
      'Check the clock of this machine.',
    ],
  },
  AccessDenied: auth.rights,
  NotEntitled: {
    means: 'The account may not use this feature of R2.',
    steps: ['Look at the plan and the billing of the Cloudflare account: is R2 switched on, is a payment overdue?'],
  },
  ObjectLockedByBucketPolicy: {
    means: 'A lock rule of the bucket forbids to change or remove this object.',
    steps: ['Write to another key, or change the lock rule in the bucket’s settings.'],
  },
  ...sharing(auth.clock, 'RequestTimeTooSkewed', 'RequestInTheFuture', 'ExpiredRequest'),
  NoSuchBucket: {
    means: 'The account at this endpoint has no bucket of that name.',
    steps: [
      'Check STORAGE_BUCKET, and the account id in STORAGE_ENDPOINT.',
      'A bucket with a jurisdiction is seen at its own endpoint only: https://<account id>.eu.r2.cloudflarestorage.com.',
    ],
  },
  InvalidBucketName: {
    means: 'The name of the bucket is not a possible one.',
    steps: ['Check STORAGE_BUCKET: 3 to 63 small letters, digits and hyphens.'],
  },
  NotFound: {
    means: 'There is no object with this key.',
    steps: ['Was it stored, in this bucket and under this very key? Was it removed by a lifecycle rule?'],
  },
  PreconditionFailed: {
    means: 'The condition of this write (ifMatch, ifNoneMatch) did not hold: somebody else was first.',
    steps: ['Expected where writers compete. Read the object again and decide; else find who writes this key, too.'],
  },
  ...sharing(
    {
      means: 'The storage does not take such a key.',
      steps: ['A key has 1 to 1024 bytes of UTF-8, without control characters. Shorten or encode what users name.'],
    },
    'InvalidObjectName',
    'KeyTooLongError',
  ),
  ...sharing(refused, 'InvalidArgument', 'InvalidRequest'),
  EntityTooLarge: {
    means: 'The object is larger than the storage takes.',
    steps: ['5 GiB in one request and 5 TiB in parts are R2’s limits: limit what users send.'],
  },
  MetadataTooLarge: {
    means: 'Metadata has more than 8192 bytes.',
    steps: ['Keep long values in a database, under the object’s key.'],
  },
  NotImplemented: {
    means: 'This storage does not know a header or function that the request uses.',
    steps: ['The message names it. Remove it from headers: R2 has no ACLs, tags or KMS.'],
  },
  ...sharing(trouble, 'InternalError', 'ServiceUnavailable'),
  ...sharing(changed, 'BadDigest', 'InvalidDigest', 'IncompleteBody', 'XAmzContentSHA256Mismatch', 'ERR_INTEGRITY'),
  ...sharing(
    {
      means: 'Somebody else wrote the same key at the same time.',
      steps: ['Find who else writes this key, and let one process do it, or give each write a key of its own.'],
    },
    'OperationAborted',
    'ConditionalRequestConflict',
  ),
  RequestTimeout: {
    means: 'The storage waited for the bytes of the body, and they did not come.',
    steps: [
      'The line of this machine, or the stream that is uploaded, is slow or stalls.',
      'Is the event loop blocked by other work?',
    ],
  },
  NoSuchUpload: {
    means: 'The upload in parts is not there any more.',
    steps: [
      'R2 removes unfinished uploads after seven days; check for an abortIncompleteUploads() with a short olderThan, or a lifecycle rule.',
    ],
  },
  ERR_PROTOCOL: {
    means: 'The response was not one of an S3 storage. Nothing was taken for stored, found or removed.',
    steps: [
      'Check STORAGE_ENDPOINT: not the public domain of the bucket, not the dashboard of Cloudflare.',
      'A captive portal, a proxy, a load balancer or a web server may respond in its place: request the endpoint with `curl -v` from this machine. The message says what was wrong with the response.',
    ],
  },
  ERR_MISSING_OPTION: {
    means: 'The storage is not configured in this process.',
    steps: [
      'Set the variable that the message names, for the environment in which the app runs, and restart it.',
      '`npx reliable-r2 doctor` says what is missing.',
    ],
  },
  ERR_BLOCKED_URL: {
    means: 'The address leads into a private network, and was not fetched.',
    steps: [
      'If users send addresses, somebody may be probing for a hole: look at the key and who asked.',
      'If the source is yours, name its host in allowedHosts.',
    ],
  },
  ERR_ABORTED: {
    means: 'The caller’s signal fired.',
    steps: ['Nothing needs to be done. An object whose upload had been acknowledged before the abort stays stored.'],
  },
  ERR_CLOSED: {
    means: 'The storage was closed before the call, or while it ran.',
    steps: ['Make one storage for the whole process, and close it only at the end of the process.'],
  },
  ERR_INTERNAL: {
    means: 'Something failed inside reliable-r2.',
    steps: [
      'Please report it, with the message and the log lines around it.',
      'Does restarting this process help? Then its memory or descriptors had run out.',
    ],
  },
  ERR_INVALID_BODY: {
    means: 'The body is nothing that can be stored as it is: of another type, read before, or of another length.',
    steps: [
      'The message names what was given and what is taken. Of a form, pass the file: formData.get(name), not the request.',
    ],
  },
  ERR_INVALID_KEY: {
    means: 'The key cannot be written: it is empty, too long, or has parts that URLs and servers read differently.',
    steps: [
      'A key has 1 to 1024 bytes of UTF-8, no control characters, and no part that is `.` or `..`. Name objects yourself (a UUID), and keep the user’s name as metadata.',
    ],
  },
  ERR_INVALID_METADATA: {
    means: 'A name or a value of the metadata cannot be sent as a header, or all together are too long.',
    steps: ['Names are letters, digits, - and _; values have no line breaks; all together have at most 8192 bytes.'],
  },
  ERR_INVALID_OPTION: {
    means: 'An option has a value that is not allowed, or a name that does not exist.',
    steps: ['The error’s `option` names it, and the message says what is allowed.'],
  },
  ERR_INVALID_URL: {
    means: 'The URL to download is none that can be fetched.',
    steps: ['It is an absolute http or https URL, without a user name or password, of at most 8 KiB.'],
  },
  ERR_UNSUPPORTED: {
    means: 'The addon could not be loaded in this runtime or on this system.',
    steps: [
      'Follow the list in the message: install on the system where the code runs, and set serverExternalPackages in next.config.',
    ],
  },
  ERR_TOO_LARGE: {
    means: 'What was to be stored is larger than maxBytes.',
    steps: ['Raise maxBytes if such sizes are wanted.'],
  },
  ERR_TOO_SMALL: {
    means: 'What was to be stored is empty, or smaller than minBytes.',
    steps: ['Look at what made it: a form without a file, a generator that gave nothing.'],
  },
  ...sharing(source, 'ERR_SOURCE_STATUS', 'ERR_SOURCE_EMPTY', 'ERR_REDIRECT'),
  ...sharing(
    {
      means: 'The source gave other bytes than it had announced.',
      steps: [
        'Repeat the call. If it comes back, fetch the address with `curl -v`, and compare Content-Length and Content-Encoding with what comes.',
      ],
    },
    'ERR_SOURCE_LENGTH',
    'ERR_SOURCE_ENCODING',
  ),
  ERR_SOURCE_CHANGED: {
    means: 'The object changed while it was read, so that its parts do not belong together.',
    steps: [
      'Repeat the call. If it comes back, somebody writes the same address all the time: use a new one for each version.',
    ],
  },
  ERR_SOURCE_FAILED: {
    means: 'The stream that was to be uploaded broke.',
    steps: [
      'The cause of the error in the app’s log is the stream’s own. A user who closes the page breaks the stream of a request.',
    ],
  },
}

const BY_CATEGORY = {
  network: network.reset,
  timeout: BY_CODE.ETIMEDOUT,
  throttled: busy,
  auth: auth.rights,
  input: refused,
  source,
  service: trouble,
  internal: BY_CODE.ERR_INTERNAL,
}

/** What a failure means and what to do: by its code where that is known, else by its status, else by its category. */
function adviceFor({ code, category, status, operation, host }) {
  const known = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined
  const { means, steps } = known ?? byStatus(category, status) ?? BY_CATEGORY[category] ?? BY_CATEGORY.internal
  // Two hosts take part, and the same code means another one's fault.
  const maybeSource = operation === 'downloadAndUpload' && host && (category === 'network' || category === 'timeout')
  const first = `Is ${host} the storage or the source that was to be fetched? If it is the source, look there first.`
  return { means, steps: maybeSource ? [first, ...steps] : [...steps] }
}

/** Of a storage that responded without a code, as what stands in front of it does. */
function byStatus(category, status) {
  if (category !== 'service' || status === undefined) return undefined
  if (status >= 520 || status === 502 || status === 504) return edge
  if (status >= 300 && status < 400) return elsewhere
  return status < 500 ? refused : undefined
}

function sharing(advice, ...codes) {
  return Object.fromEntries(codes.map((code) => [code, advice]))
}

/** What a code means, where that is known. */
function meaningOf(code) {
  return Object.hasOwn(BY_CODE, code) ? BY_CODE[code].means : undefined
}

module.exports = { BY_CODE, adviceFor, meaningOf }
