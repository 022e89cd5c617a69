# complete.zsh FILE LINE: prints what zsh offers for LINE with the completion in FILE. A second zsh, at a terminal of its own,
# gets the line and a tab; in it compadd(1) prints what it is given.
zmodload zsh/zpty || exit 1
zpty inner FILE=${(q)1} zsh -f -i
zpty -w inner "source ${(q)0:h}/complete_inner.zsh"
until [[ $line == *READY* ]]; do zpty -r inner line || exit 2; done
zpty -w -n inner "$2"$'\t'
integer inside=0
while zpty -r inner line; do
  for each in ${(f)line}; do
    case $each in
      (*$'\0'BEGIN*) inside=1 ;;
      (*$'\0'END*) exit ;;
      (*) (( inside )) && print -r -- "${each%$'\r'}" ;;
    esac
  done
done
