# complete.bash FILE LINE...: prints what bash offers for each LINE with the completion in FILE, behind a line of "=".
# bash splits words at "=", and readline does not count a last blank as a word.
source "$1"
shift
for line in "$@"; do
  read -ra COMP_WORDS <<<"${line//=/ = }"
  if [[ $line == *' ' ]]; then COMP_WORDS+=(''); fi
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  echo '='
  _baton "${COMP_WORDS[0]}" 2>&1
  printf '%s\n' "${COMPREPLY[@]}"
done
