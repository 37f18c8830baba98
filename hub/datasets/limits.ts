// How large a snapshot may be, beside its bytes (ROOST_UPLOAD_BYTES_MAX). Each bound keeps the memory of its reading flat.

export const columnsMax = 1_000
export const rowsMax = 50_000_000
/** Longest line, CSV record or text in a cell. */
export const textBytesMax = 1_048_576
/** Longest name of a column, in characters. */
export const columnNameMax = 200
/** Numbers that `readColumns` gives back at once: rows times columns. 64 MiB. */
export const valuesMax = 8 * 1_048_576
/** Characters of texts that it gives back at once, each distinct text counted once a column. */
export const charactersMax = 32 * 1_048_576
