// The polder command.
#include "cli/args.h"

int main(int argc, char** argv) { return polder::cli::main_of(argc, argv); }
