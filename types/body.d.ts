import type { InputError } from './errors.js'
import type { uploadFile } from './storage.js'

/**
 * What to store. Bytes are copied before `uploadFile` returns: changing them afterwards changes nothing that
 * is stored. A string is stored as UTF-8. Streams, files, requests and large Blobs are read as they are sent,
 * once, and survive retries; memory holds `multipartThresholdBytes`, or the parts in flight.
 */
export type UploadBody =
  | ArrayBufferView
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  | string
  | WebStream
  | AsyncIterable<ArrayBufferView | ArrayBuffer | string>
  | IterableIterator<ArrayBufferView | ArrayBuffer | string>
  | HttpBody
  | FileBody
  | URL

/** A web `ReadableStream`, of whatever library's types. */
export interface WebStream {
  readonly locked: boolean
  getReader(): unknown
}

/**
 * A `Request` or `Response`. Its `Content-Length`, where it counts what comes, must be what comes. A `Content-Encoding` that
 * its bytes still have is stored with the object. One with a form (`multipart/form-data`,
 * `application/x-www-form-urlencoded`) is refused: pass the file in it, `(await request.formData()).get('file')`.
 */
export interface HttpBody {
  readonly bodyUsed: boolean
  readonly body: unknown
  readonly headers: { get(name: string): string | null }
  formData(): unknown
}

declare const filePath: unique symbol

/** A file, as {@link fromFile} names it. A plain object, from the JSON of a request for example, is never one. */
export interface FileBody {
  readonly [filePath]: string
}

/**
 * A body that is the file at `path`: a path, relative to the working directory of the process, or a `file:` URL. The
 * addon reads it while it is sent. Do not build the path from what users send.
 *
 * @throws {InputError} `ERR_INVALID_BODY` for what the path is invalid as its path. A file that does not exist is found by
 * the upload.
 */
export declare function fromFile(path: string | URL): FileBody

// A declaration file without this exports all of its declarations.
export {}
