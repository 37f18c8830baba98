// What goes in and what comes out of a model: names, types, shapes.

import type { components } from '../api-types.d.ts'
import { RowsTable } from './rows-table.tsx'

type Inspection = components['schemas']['Version']['onnx']
type Tensor = Inspection['inputs'][number]

/** `FP32 [any, 8]`: an open dimension is any size. */
export const typeText = ({ datatype, shape }: Pick<Tensor, 'datatype' | 'shape'>): string =>
  `${datatype} [${shape.map((size) => (size < 0 ? 'any' : String(size))).join(', ')}]`
export const tensorText = (tensor: Tensor): string => `${tensor.name} ${typeText(tensor)}`

export function Tensors({ onnx }: { onnx: Inspection }) {
  const rows = [
    ...onnx.inputs.map((tensor) => ({ ...tensor, way: 'input' })),
    ...onnx.outputs.map((tensor) => ({ ...tensor, way: 'output' })),
  ]
  return (
    <RowsTable label="Inputs and outputs">
      <thead>
        <tr>
          <th scope="col">Tensor</th>
          <th scope="col">Is</th>
          <th scope="col">Type and shape</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ way, ...tensor }) => (
          <tr key={`${way} ${tensor.name}`}>
            <th scope="row" class="mono">
              {tensor.name}
            </th>
            <td>{way}</td>
            <td class="mono">{typeText(tensor)}</td>
          </tr>
        ))}
      </tbody>
    </RowsTable>
  )
}
