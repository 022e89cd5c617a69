# What the inner zsh of complete.zsh begins with.
PROMPT=
unsetopt zle_bracketed_paste prompt_cr prompt_sp
autoload -Uz compinit
compinit -D -u
source $FILE
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
begin () { print -n "\0BEGIN\n" }
finish () { print -n "\0END\n"; exit }
compprefuncs=(begin)
comppostfuncs=(finish)
compadd () {
  # With these it only computes.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
  local -a hits
  builtin compadd -A hits "$@"
  (( $#hits )) && print -rl -- $hits
}
print READY
