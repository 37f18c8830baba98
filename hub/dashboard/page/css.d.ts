// A style sheet is imported for what it does to the page; Vite makes it part of the chunk.

declare module '*.css'
