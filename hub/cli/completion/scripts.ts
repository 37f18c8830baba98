// What a shell needs to complete `roost …`: it asks the hidden command `roost complete`, which answers with a word a line,
// a tab and what it is about; `:files` alone means the names of files.

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export const filesMark = ':files'

export const scripts: Readonly<Record<Shell, string>> = {
  // words that hold a colon would be cut at it (COMP_WORDBREAKS): none of ours do where a shell completes them
  bash: `_roost() {
  local IFS=$'\\n' answer typed="\${COMP_WORDS[COMP_CWORD]}"
  answer=$(roost complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  if [[ $answer == ${filesMark} ]]; then
    compopt -o filenames
    COMPREPLY=($(compgen -f -- "$typed"))
  else
    COMPREPLY=($(compgen -W "$(cut -f1 <<<"$answer")" -- "$typed"))
  fi
}
complete -F _roost roost
`,
  zsh: `#compdef roost
_roost() {
  local answer line
  local -a words_found
  answer=$(roost complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null) || return
  if [[ $answer == ${filesMark} ]]; then
    _files
    return
  fi
  for line in \${(f)answer}; do
    words_found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe roost words_found
}
if [ "$funcstack[1]" = _roost ]; then _roost "$@"; else compdef _roost roost; fi
`,
  fish: `function __roost_complete
    set -l answer (roost complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    if test "$answer" = ${filesMark}
        __fish_complete_path (commandline -ct)
    else
        string join \\n -- $answer
    end
end
complete -c roost -f -a '(__roost_complete)'
`,
}
