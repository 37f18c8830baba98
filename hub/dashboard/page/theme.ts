// Dark, light, or as the system has it; remembered by the browser.

import { useState } from 'preact/hooks'

export const themes = ['auto', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const key = 'roost-theme'

/** Before anything is drawn. */
export const startTheme = (): void => show(remembered())

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(remembered)
  return [
    theme,
    (next) => {
      setTheme(next)
      show(next)
      try {
        localStorage.setItem(key, next)
      } catch {
        // a browser that keeps nothing shows it until the page is left
      }
    },
  ]
}

function show(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

function remembered(): Theme {
  try {
    const kept = localStorage.getItem(key)
    return themes.find((theme) => theme === kept) ?? 'auto'
  } catch {
    return 'auto'
  }
}
