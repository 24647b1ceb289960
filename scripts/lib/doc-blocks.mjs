// The TypeScript examples of the README and the docs, as files of an app.

import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { root } from './prepare.mjs'

/** `// app/api/upload/route.ts`, at the beginning of an example, is where it belongs; what follows is for the reader. */
const PLACE = /^\/\/ ([\w./[\]-]+\.tsx?)\b/

/** Each as { page, place, code }; those that name no file get one of their own, to be type-checked. */
export function typeScriptExamples() {
  const docs = readdirSync(path.join(root, 'docs'), { recursive: true }).filter((name) => name.endsWith('.md'))
  const pages = ['README.md', ...docs.map((name) => path.join('docs', name))].filter(
    (page) => !page.includes(`${path.sep}adr${path.sep}`),
  )
  return pages.flatMap((page) => {
    const blocks = readFileSync(path.join(root, page), 'utf8').matchAll(/^```(ts|tsx)\n([\s\S]*?)^```$/gm)
    return Array.from(blocks, ([, language, code], index) => {
      const own = path.join('examples', `${page.replace(/[^\w]+/g, '-')}-${index + 1}.${language}`)
      return { page, place: PLACE.exec(code)?.[1] ?? own, code }
    })
  })
}
