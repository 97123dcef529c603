"""Shell completion: a script that contains the commands, options and connectors, and calls nothing."""

from connectors import __version__, registry
from connectors.cli import commands
from connectors.errors import UsageError

NAMES = [registry.FRONT_DOOR, *registry.MODULES]
SHORT = [name.removeprefix("red-connector-") for name in registry.MODULES]
OPTIONS = ["--help", "--version"]


def script(shell: str) -> str:
    """The completion script for ``shell``; UsageError if there is none."""
    if shell not in SCRIPTS:
        raise UsageError(f"no completion for {shell}", hint=f"there is one for {' and '.join(SCRIPTS)}")
    return SCRIPTS[shell]().rstrip("\n")


def _cases(indent: str, table: dict[str, str]) -> str:
    """The branches of a shell's ``case``; patterns with the same result share a branch."""
    patterns: dict[str, list[str]] = {}
    for pattern, consequence in table.items():
        patterns.setdefault(consequence, []).append(pattern)
    return "".join(f"{indent}{' | '.join(same)}) {each} ;;\n" for each, same in patterns.items())


def _tables() -> dict[str, commands.Command]:
    return commands.understood(registry.FRONT_DOOR)


def _operands() -> dict[str, str]:
    return {
        name: f"operands=({' '.join(each.operands)})" for name, each in _tables().items() if each.operands
    }


def _options() -> dict[str, str]:
    return {name: f"options='{' '.join(each.options)}'" for name, each in _tables().items() if each.options}


def _words(program: str) -> list[str]:
    return [*commands.offered(program), *commands.SPELT_OUT]


BASH = """\
# Completion for bash of red-connectors @VERSION@: source <(red-connectors completion bash)
# A function or alias of yours completes with: complete -o default -F _red_connectors NAME
_red_connectors() {
    local program=${1##*/} current=$2 previous=$3 name='' given=0 i commands options='' kind
    local -a operands=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --listing) # bash takes --listing=FILE for three words
            ((i++))
            [[ ${COMP_WORDS[i]} == = ]] && ((i++)) ;;
        -*) ;;
        @SHORT@) if [[ -z $name ]]; then program=red-connector-${COMP_WORDS[i]}; else ((given++)); fi ;;
        @NAMES@) if [[ -z $name ]]; then program=${COMP_WORDS[i]}; else ((given++)); fi ;;
        *) if [[ -z $name ]]; then name=${COMP_WORDS[i]}; else ((given++)); fi ;;
        esac
    done
    case $program in
@COMMANDS@    esac
    case $name in
@OPERANDS@    esac
    case $name in
@OPTIONS@    esac
    if [[ $previous == --listing || $current == = || $previous == = ]]; then
        kind=LISTING
        [[ $current == = ]] && current=
    elif [[ $current == -* ]]; then
        kind=OPTION
    elif [[ -z $name ]]; then
        kind=COMMAND
    else
        kind=${operands[given]-NOTHING}
    fi
    COMPREPLY=()
    case $kind in
    OPTION) COMPREPLY=($(compgen -W "$options --help --version" -- "$current")) ;;
    COMMAND) COMPREPLY=($(compgen -W "$commands" -- "$current")) ;;
    CONNECTOR) COMPREPLY=($(compgen -W "@CHOICES@" -- "$current")) ;;
    VERB) COMPREPLY=($(compgen -W "@VERBS@" -- "$current")) ;;
    SHELL) COMPREPLY=($(compgen -W "bash zsh" -- "$current")) ;;
    LOCALDIR) compopt -o dirnames +o default 2>/dev/null ;;
    NOTHING) compopt +o default 2>/dev/null ;;
    esac # all else is a file, which bash completes itself
}
complete -o default -F _red_connectors @ALL@
"""


def _bash() -> str:
    listed = {name: f"commands='{' '.join(_words(name))}'" for name in registry.MODULES}
    listed["*"] = f"commands='{' '.join(_words(registry.FRONT_DOOR))}'"
    return _filled(
        BASH,
        COMMANDS=_cases("    ", listed),
        OPERANDS=_cases("    ", _operands()),
        OPTIONS=_cases("    ", _options()),
    )


ZSH = """\
#compdef @ALL@
# Completion for zsh of red-connectors @VERSION@: source <(red-connectors completion zsh), after compinit.
# A function or alias of yours completes with: compdef _red_connectors NAME
_red_connectors() {
    local program=${words[1]:t} current=$PREFIX name word kind
    local -i i given=0
    local -a operands options commands
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        case $word in
        --listing) ((i++)) ;;
        -*) ;;
        @SHORT@) if [[ -z $name ]]; then program=red-connector-$word; else ((given++)); fi ;;
        @NAMES@) if [[ -z $name ]]; then program=$word; else ((given++)); fi ;;
        *) if [[ -z $name ]]; then name=$word; else ((given++)); fi ;;
        esac
    done
    case $program in
@COMMANDS@    esac
    case $name in
@OPERANDS@    esac
    case $name in
@OPTIONS@    esac
    if [[ $words[CURRENT-1] == --listing ]]; then
        kind=LISTING
    elif [[ $current == --listing=* ]]; then
        compset -P '*='
        kind=LISTING
    elif [[ $current == -* ]]; then
        kind=OPTION
    elif [[ -z $name ]]; then
        kind=COMMAND
    else
        kind=${operands[given+1]:-NOTHING}
    fi
    case $kind in
    OPTION) compadd -- $options --help --version ;;
    COMMAND) _describe command commands ;;
    CONNECTOR) compadd -- @CHOICES@ ;;
    VERB) compadd -- @VERBS@ ;;
    SHELL) compadd -- bash zsh ;;
    LOCALDIR) _files -/ ;;
    NOTHING) ;;
    *) _files ;;
    esac
}
if [[ $funcstack[1] == _red_connectors ]]; then
    _red_connectors "$@"
else
    compdef _red_connectors @ALL@
fi
"""


def _zsh() -> str:
    def described(program: str) -> str:
        spelt_out = {word: f"the same as {option}" for word, option in commands.SPELT_OUT.items()}
        table = {name: each.summary for name, each in commands.offered(program).items()} | spelt_out
        return "commands=(" + " ".join(f"'{name}:{summary}'" for name, summary in table.items()) + ")"

    listed = {name: described(name) for name in registry.MODULES} | {"*": described(registry.FRONT_DOOR)}
    options = {
        name: f"options=({' '.join(each.options)})" for name, each in _tables().items() if each.options
    }
    return _filled(
        ZSH,
        COMMANDS=_cases("    ", listed),
        OPERANDS=_cases("    ", _operands()),
        OPTIONS=_cases("    ", options),
    )


def _filled(template: str, **parts: str) -> str:
    parts |= {
        "VERSION": __version__,
        "SHORT": " | ".join(SHORT),
        "NAMES": " | ".join(NAMES),
        "CHOICES": " ".join(SHORT),
        "VERBS": " ".join(commands.TRANSFERS),
        "ALL": " ".join(NAMES),
    }
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return template


SCRIPTS = {"bash": _bash, "zsh": _zsh}
