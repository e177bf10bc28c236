// The limits that control groups (Linux, version 1 and 2) put on this process; containers set them.
// Invariant: the least limit between the process's own group and the root counts; files that aren't there are no limit.
#pragma once

namespace chainrule {

double cgroup_cpus();       // processors worth of time per period; 0 where there is no limit
long long cgroup_memory();  // bytes; 0 where there is no limit

}  // namespace chainrule
