#include "runtime/cgroup.h"

#include <fstream>
#include <functional>
#include <string>

namespace chainrule {
namespace {

using Visit = std::function<void(const std::string& folder)>;

// Calls visit with the folder of every group above and including this process's, for version 2 and for version 1's
// controller. A container often sees a path here that its own mount doesn't have, but it always has the mount's root.
void for_each_group(const std::string& controller, const Visit& version2, const Visit& version1) {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "id:controller,controller:path"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    const bool is_version2 = names.empty();
    if (!is_version2 && ("," + names + ",").find("," + controller + ",") == std::string::npos) continue;
    const std::string root = is_version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + names;
    std::string path = line.substr(second + 1);
    for (;;) {
      while (!path.empty() && path.back() == '/') path.pop_back();
      (is_version2 ? version2 : version1)(root + path);
      if (path.empty()) break;
      path.erase(path.rfind('/'));
    }
  }
}

template <class T>
void lower(T& limit, T value) {
  if (value > 0 && (limit == 0 || value < limit)) limit = value;
}

}  // namespace

double cgroup_cpus() {
  double limit = 0;
  for_each_group(
      "cpu",
      [&](const std::string& folder) {
        double quota = 0, period = 0;  // "max 100000" where there is no limit: reading the quota fails
        if (std::ifstream(folder + "/cpu.max") >> quota >> period && period > 0) lower(limit, quota / period);
      },
      [&](const std::string& folder) {
        double quota = 0, period = 0;  // quota -1: no limit
        if (std::ifstream(folder + "/cpu.cfs_quota_us") >> quota &&
            std::ifstream(folder + "/cpu.cfs_period_us") >> period && period > 0) {
          lower(limit, quota / period);
        }
      });
  return limit;
}

long long cgroup_memory() {
  long long limit = 0;
  const auto read = [&limit](const std::string& file) {
    long long bytes = 0;
    if (std::ifstream(file) >> bytes) lower(limit, bytes);
  };
  for_each_group(
      "memory", [&](const std::string& folder) { read(folder + "/memory.max"); },
      [&](const std::string& folder) { read(folder + "/memory.limit_in_bytes"); });
  return limit;
}

}  // namespace chainrule
