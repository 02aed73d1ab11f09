import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorMessage } from '../src/lib/errors.ts'
import { readSnapshot } from './heap-snapshot.ts'
import type { HeapNode, HeapSnapshot } from './heap-snapshot.ts'
import { until } from '../test/lab/poll.ts'

const SOURCES = fileURLToPath(new URL('../src/', import.meta.url))
const SIGNAL = 'SIGUSR2'
const SNAPSHOT_DEADLINE_MS = 40_000

/** What was alive in a process at one moment, garbage collected. */
export interface HeapLook {
  /** Objects of each class of the gateway. */
  readonly byClass: ReadonlyMap<string, number>
  /** Accounts with a connection in use. */
  readonly accounts: number
  /** By `Class.field`: what the largest map, set or list there takes for its entries, without what they lead to; bytes. */
  readonly collections: ReadonlyMap<string, number>
  /** What each kind of object takes, without what it leads to; bytes. */
  readonly bytesByKind: ReadonlyMap<string, number>
}

/** What is alive in a process of the gateway. Asking for it collects garbage first. */
export class HeapObjects implements AsyncDisposable {
  readonly #directory: string
  readonly #classes: ReadonlySet<string>
  readonly #taken = new Set<string>()

  private constructor(directory: string, classes: ReadonlySet<string>) {
    this.#directory = directory
    this.#classes = classes
  }

  static async prepare(): Promise<HeapObjects> {
    return new HeapObjects(await mkdtemp(join(tmpdir(), 'holdfast-heap-')), await ownClasses())
  }

  /** What the gateway's environment needs for it. */
  get env(): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--heapsnapshot-signal=${SIGNAL} --diagnostic-dir=${this.#directory}` }
  }

  async look(pid: number): Promise<HeapLook> {
    process.kill(pid, SIGNAL)
    const heap = await until(() => this.#read(), { what: 'a heap snapshot', deadlineMs: SNAPSHOT_DEADLINE_MS })
    const byClass = new Map<string, number>()
    const collections = new Map<string, number>()
    let accounts: number | undefined
    for (const node of heap.nodes) {
      if (node.type !== 'object' || !this.#classes.has(node.name)) continue
      byClass.set(node.name, (byClass.get(node.name) ?? 0) + 1)
      for (const { name, to } of heap.edgesOf(node)) {
        const entries = entriesOf(heap, to)
        if (entries === undefined) continue
        const field = `${node.name}.${name ?? ''}`
        collections.set(field, Math.max(collections.get(field) ?? 0, entries.bytes))
        if (field === 'ConnectionBudget.#accounts') accounts = namesIn(heap, entries)
      }
    }
    if (accounts === undefined) throw new Error('there is no ConnectionBudget in the heap')
    return { byClass, collections, accounts, bytesByKind: bytesByKind(heap) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** Undefined while it is being written. */
  async #read(): Promise<HeapSnapshot | undefined> {
    const name = (await readdir(this.#directory)).find((each) => !this.#taken.has(each))
    if (name === undefined) return undefined
    const path = join(this.#directory, name)
    const text = await readFile(path, 'utf8')
    if (!text.trimEnd().endsWith('}')) return undefined
    try {
      const heap = readSnapshot(text)
      this.#taken.add(name)
      await rm(path)
      return heap
    } catch (error) {
      if (error instanceof SyntaxError) return undefined
      throw new Error(`no heap snapshot: ${errorMessage(error)}`, { cause: error })
    }
  }
}

async function ownClasses(): Promise<ReadonlySet<string>> {
  const files = (await readdir(SOURCES, { recursive: true })).filter((name) => /(?<!\.test|\.fixture)\.ts$/.test(name))
  const texts = await Promise.all(files.map((name) => readFile(join(SOURCES, name), 'utf8')))
  return new Set(
    texts.flatMap((text) => [...text.matchAll(/^(?:export )?class (\w+)/gm)].map(([, name]) => name ?? '')),
  )
}

/** Objects have names by which they can be told apart; text and code do not. */
function bytesByKind({ nodes }: HeapSnapshot): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>()
  for (const node of nodes) {
    const kind = node.type === 'object' || node.type === 'closure' ? `${node.type} ${node.name}` : node.type
    bytes.set(kind, (bytes.get(kind) ?? 0) + node.bytes)
  }
  return bytes
}

/** What holds the entries of a map, a set or a list; undefined for anything else. */
function entriesOf(heap: HeapSnapshot, node: HeapNode | undefined): HeapNode | undefined {
  if (node?.type !== 'object' || !/^(?:Map|Set|Array)$/.test(node.name)) return undefined
  return heap.edgesOf(node).find(({ name }) => name === (node.name === 'Array' ? 'elements' : 'table'))?.to
}

/** Keys of a map that are text. */
function namesIn(heap: HeapSnapshot, entries: HeapNode): number {
  return heap.edgesOf(entries).filter(({ to }) => to?.type.includes('string')).length
}
