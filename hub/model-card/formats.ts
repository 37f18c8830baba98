// The forms of a model card.

export const cardFormats = ['markdown', 'json', 'cyclonedx'] as const
export type CardFormat = (typeof cardFormats)[number]
