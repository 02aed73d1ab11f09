import { readFile, writeFile } from 'node:fs/promises'
import { generatedPages, renderPage } from './pages.ts'

/** `npm run docs`: writes the pages that are made of tables in the code. The tidy test fails when they are behind. */
for (const path of Object.keys(generatedPages)) {
  const text = await renderPage(path)
  const before = await readFile(path, 'utf8').catch(() => '')
  if (before !== text) await writeFile(path, text)
  console.log(`${path} ${before === text ? 'is up to date' : 'written'}`)
}
