# complete.fish FILE LINE...: prints what fish offers for each LINE with the completion in FILE, behind a line of "=".
source $argv[1]
for line in $argv[2..-1]
    echo '='
    complete -C $line 2>&1
end
