/** A heap snapshot as V8 writes it: nodes and edges are flat lists of the fields that `meta` names. */
interface SnapshotFile {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[]
      readonly node_types: readonly [readonly string[], ...unknown[]]
      readonly edge_fields: readonly string[]
      readonly edge_types: readonly [readonly string[], ...unknown[]]
    }
  }
  readonly nodes: readonly number[]
  readonly edges: readonly number[]
  readonly strings: readonly string[]
}

export interface HeapNode {
  readonly type: string
  /** Of an object: the name of its class. */
  readonly name: string
  /** Without what it leads to. */
  readonly bytes: number
  /** Indices of its edges in the flat list: the first, and the one behind the last. */
  readonly edgesFrom: number
  readonly edgesTo: number
}

export interface HeapEdge {
  /** Undefined for an element of a list. */
  readonly name: string | undefined
  readonly to: HeapNode | undefined
}

export interface HeapSnapshot {
  readonly nodes: readonly HeapNode[]
  edgesOf(node: HeapNode): readonly HeapEdge[]
}

/** Throws SyntaxError for what is not whole. */
export function readSnapshot(text: string): HeapSnapshot {
  const file = JSON.parse(text) as SnapshotFile
  const { edges, strings } = file
  const { node_fields: nodeFields, edge_fields: edgeFields, edge_types: edgeTypes } = file.snapshot.meta
  const nodes = nodesOf(file)
  const [typeAt, nameAt, toAt] = ['type', 'name_or_index', 'to_node'].map((field) => edgeFields.indexOf(field))
  const isIndexed = new Set(['element', 'hidden'].map((type) => edgeTypes[0].indexOf(type)))
  return {
    nodes,
    edgesOf: ({ edgesFrom, edgesTo }) =>
      Array.from({ length: (edgesTo - edgesFrom) / edgeFields.length }, (_, index) => {
        const value = (at = 0) => edges[edgesFrom + index * edgeFields.length + at] ?? 0
        const name = isIndexed.has(value(typeAt)) ? undefined : strings[value(nameAt)]
        return { name, to: nodes[value(toAt) / nodeFields.length] }
      }),
  }
}

function nodesOf({ snapshot: { meta }, nodes, strings }: SnapshotFile): readonly HeapNode[] {
  const [typeAt, nameAt, bytesAt, countAt] = ['type', 'name', 'self_size', 'edge_count'].map((field) =>
    meta.node_fields.indexOf(field),
  )
  const found: HeapNode[] = []
  let edgesFrom = 0
  for (let index = 0; index < nodes.length; index += meta.node_fields.length) {
    const value = (at = 0) => nodes[index + at] ?? 0
    const edgesTo = edgesFrom + value(countAt) * meta.edge_fields.length
    const [type, name] = [meta.node_types[0][value(typeAt)] ?? '', strings[value(nameAt)] ?? '']
    found.push({ type, name, bytes: value(bytesAt), edgesFrom, edgesTo })
    edgesFrom = edgesTo
  }
  return found
}
