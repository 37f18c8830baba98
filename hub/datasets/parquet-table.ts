import type { Table } from './table.ts'
import { invalid } from './table-error.ts'

export function parquetTable(_path: string): Promise<Table> {
  return Promise.reject(invalid('Parquet is not read yet'))
}
