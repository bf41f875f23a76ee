// The parser is header-only: its functions are compiled into whoever imports this module.
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#include <jsmn.h>
