import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorMessage } from '../src/lib/errors.ts'
import { until } from '../test/lab/poll.ts'

const SOURCES = fileURLToPath(new URL('../src/', import.meta.url))
const SIGNAL = 'SIGUSR2'
const SNAPSHOT_DEADLINE_MS = 40_000

/** A heap snapshot as V8 writes it; nodes and edges are flat lists of the fields that `meta` names. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[]
      readonly node_types: readonly [readonly string[], ...unknown[]]
      readonly edge_fields: readonly string[]
    }
  }
  readonly nodes: readonly number[]
  readonly edges: readonly number[]
  readonly strings: readonly string[]
}

interface Node {
  readonly type: string
  readonly name: string
  /** Index of the first of its edges, in the flat list. */
  readonly edgesFrom: number
  readonly edgesTo: number
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

  /** How many objects there are of each class of the gateway, and how many accounts have a connection in use. */
  async count(pid: number): Promise<{ readonly byClass: ReadonlyMap<string, number>; readonly accounts: number }> {
    process.kill(pid, SIGNAL)
    const snapshot = await until(() => this.#read(), { what: 'a heap snapshot', deadlineMs: SNAPSHOT_DEADLINE_MS })
    const nodes = nodesOf(snapshot)
    const byClass = new Map<string, number>()
    for (const { type, name } of nodes) {
      if (type === 'object' && this.#classes.has(name)) byClass.set(name, (byClass.get(name) ?? 0) + 1)
    }
    return { byClass, accounts: accountsOf(snapshot, nodes) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** Undefined while it is being written. */
  async #read(): Promise<Snapshot | undefined> {
    const name = (await readdir(this.#directory)).find((each) => !this.#taken.has(each))
    if (name === undefined) return undefined
    const path = join(this.#directory, name)
    const text = await readFile(path, 'utf8')
    if (!text.trimEnd().endsWith('}')) return undefined
    try {
      const snapshot = JSON.parse(text) as Snapshot
      this.#taken.add(name)
      await rm(path)
      return snapshot
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

function nodesOf({ snapshot: { meta }, nodes, strings }: Snapshot): readonly Node[] {
  const width = meta.node_fields.length
  const at = (field: string) => meta.node_fields.indexOf(field)
  const [typeAt, nameAt, edgesAt] = [at('type'), at('name'), at('edge_count')]
  const edgeWidth = meta.edge_fields.length
  const found: Node[] = []
  let edgesFrom = 0
  for (let index = 0; index < nodes.length; index += width) {
    const edgesTo = edgesFrom + (nodes[index + edgesAt] ?? 0) * edgeWidth
    const type = meta.node_types[0][nodes[index + typeAt] ?? 0] ?? ''
    found.push({ type, name: strings[nodes[index + nameAt] ?? 0] ?? '', edgesFrom, edgesTo })
    edgesFrom = edgesTo
  }
  return found
}

/** The keys of the map in the one ConnectionBudget. */
function accountsOf({ snapshot: { meta }, edges, strings }: Snapshot, nodes: readonly Node[]): number {
  const width = meta.node_fields.length
  const edgeWidth = meta.edge_fields.length
  const [nameAt, toAt] = [meta.edge_fields.indexOf('name_or_index'), meta.edge_fields.indexOf('to_node')]
  const edgesOf = ({ edgesFrom, edgesTo }: Node) =>
    Array.from({ length: (edgesTo - edgesFrom) / edgeWidth }, (_, index) => {
      const from = edgesFrom + index * edgeWidth
      return { name: strings[edges[from + nameAt] ?? -1], to: nodes[(edges[from + toAt] ?? 0) / width] }
    })
  for (const node of nodes) {
    if (node.type !== 'object' || node.name !== 'ConnectionBudget') continue
    const map = edgesOf(node).find(({ name, to }) => name === '#accounts' && to?.name === 'Map')?.to
    const table = map === undefined ? undefined : edgesOf(map).find(({ name }) => name === 'table')?.to
    if (table !== undefined) return edgesOf(table).filter(({ to }) => to?.type.includes('string')).length
  }
  throw new Error('there is no ConnectionBudget in the heap')
}
