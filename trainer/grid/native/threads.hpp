// Work on threads that end with it.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

// Calls work(0) ... work(count - 1), each once, until one of them has thrown something, which is
// thrown here, too.
template <typename Work>
void in_parallel(long count, int threads, const Work& work) {
    std::atomic<long> begun{0};
    std::mutex mutex;
    std::exception_ptr error;
    const auto carry_on = [&] {
        try {
            for (long item; (item = begun++) < count;) work(item);
        } catch (...) {  // no memory
            begun = count;
            const std::lock_guard<std::mutex> lock(mutex);
            error = std::current_exception();
        }
    };
    const long more = std::max(0L, std::min<long>(threads, count) - 1);
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(more));  // what follows throws nothing but system_error
    try {
        for (long thread = 0; thread < more; ++thread) others.emplace_back(carry_on);
    } catch (const std::system_error&) {  // there are no more threads: those that are do it
    }
    carry_on();
    for (std::thread& other : others) other.join();
    if (error) std::rethrow_exception(error);
}
