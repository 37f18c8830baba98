// How wide an element is, for pictures that are drawn in its pixels: text keeps its size on a phone.

import { useEffect, useRef, useState } from 'preact/hooks'

/** CSS pixels, whole ones; 0 until it is known. `const [place, widthPx] = useWidth<HTMLDivElement>()` */
export function useWidth<E extends Element>(): [place: { current: E | null }, widthPx: number] {
  const place = useRef<E>(null)
  const [widthPx, setWidth] = useState(0)
  useEffect(() => {
    if (place.current === null) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)))
    observer.observe(place.current)
    return () => observer.disconnect()
  }, [])
  return [place, widthPx]
}
