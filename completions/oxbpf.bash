# Completion of the oxbpf command for bash: source it, or install it as bash-completion/completions/oxbpf.
#
# Nouns, verbs and keywords come from the command's own help, so they are those of the oxbpf that is installed.

# Prints the verbs of a noun, or with a verb what follows it.
_oxbpf_usage() {
    local noun=$1 verb=$2 line rest names
    while read -r line; do
        line=${line#Usage: }
        [[ $line == "oxbpf $noun "* ]] || continue
        rest=${line#"oxbpf $noun "}
        if [[ $rest == '{ '* ]]; then
            names=${rest%%\}*} rest=${rest#*\}}
            names=${names//[\{|]/ }
        else
            names=${rest%% *} rest=${rest#"${rest%% *}"}
        fi
        if [[ -z $verb ]]; then
            printf '%s\n' $names
        elif [[ " $names " == *" $verb "* ]]; then
            printf '%s\n' "$rest"
        fi
    done < <(oxbpf "$noun" help 2>/dev/null)
}

# Prints the ids or names of a noun's objects.
_oxbpf_objects() {
    local json
    json=$(oxbpf -j "$1" show 2>/dev/null) || return
    while [[ $json =~ \"$2\":\"?([A-Za-z0-9_.]+) ]]; do
        printf '%s\n' "${BASH_REMATCH[1]}"
        json=${json#*"${BASH_REMATCH[0]}"}
    done
}

_oxbpf() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} noun='' verb='' object word i
    local -a words=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -k | -i | -B | --base-btf) ((i++)) ;;
            -*) ;;
            *) if [[ -z $noun ]]; then noun=${COMP_WORDS[i]}; elif [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; fi ;;
        esac
    done
    object=$noun
    COMPREPLY=()
    if [[ $cur == -* && $noun != run ]]; then
        words=(--json --pretty --debug --bpffs --mapcompat --nomount --use-loader --base-btf --version --help)
    elif [[ -z $noun ]]; then
        words=($(oxbpf help 2>/dev/null | sed -n 's/.*OBJECT := { \(.*\) }.*/\1/p' | tr '|' ' ') run batch version help)
    elif [[ $noun == run ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
        return
    elif [[ $noun == batch ]]; then
        words=(file)
    elif [[ -z $verb ]]; then
        words=($(_oxbpf_usage "$noun"))
    else
        case ${COMP_WORDS[COMP_CWORD - 2]} in
            map | inner_map) object=map ;;
            prog | xlated | jited) object=prog ;;
        esac
        case $prev in
            id) words=($(_oxbpf_objects "$object" id)) ;;
            name) words=($(_oxbpf_objects "$object" name)) ;;
            tag) words=($(_oxbpf_objects prog tag)) ;;
            file | pinned | data_in | data_out | ctx_in | ctx_out | kernel_btf | pinmaps) ;;
            *)
                for word in $(_oxbpf_usage "$noun" "$verb" | tr -c 'A-Za-z0-9_\n' ' '); do
                    case $word in
                        PROG) words+=(id name tag pinned) ;;
                        MAP | LINK | STRUCT_OPS_MAP) words+=(id name pinned) ;;
                        [a-z]*) words+=("$word") ;;
                    esac
                done
                ;;
        esac
    fi
    COMPREPLY=($(compgen -W "${words[*]}" -- "$cur"))
    # Where no word fits, a file may.
    if [[ ${#COMPREPLY[@]} -eq 0 && -n $verb ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}

complete -o bashdefault -o default -F _oxbpf oxbpf
