// A program that is a worker and nothing else, for the tests of the agent.
#include "agent/worker.h"

int main() { return polder::agent::run_worker(); }
