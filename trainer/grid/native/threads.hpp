// Threads that work together on one piece of work after the other.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

// The calling thread and others. These are not started for each piece of work, nor do they sleep as
// soon as it is done: the system likes to put a thread that begins or wakes on the processor of the
// caller, where it waits for milliseconds. What is done between two pieces mostly takes one.
class Team {
public:
    explicit Team(int threads) : most_(std::max(0L, threads - 1L)) {}

    ~Team() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            over_ = true;
        }
        begun_.notify_all();
        for (std::thread& other : others_) other.join();
    }

    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    // Calls work(0) ... work(count - 1), each once, until one of them has thrown something, which is
    // thrown here, too.
    void in_parallel(long count, const std::function<void(long)>& work) {
        const long helpers = called_up(count - 1);
        std::unique_lock<std::mutex> lock(mutex_);
        work_ = &work;
        count_ = count;
        next_ = 0;
        error_ = nullptr;
        wanted_ = helpers;
        begun_.notify_all();
        lock.unlock();
        carry_on();
        lock.lock();
        wanted_ = 0;  // who has not come by now is not waited for
        ended_.wait(lock, [this] { return helping_ == 0; });
        if (error_) std::rethrow_exception(error_);
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds PATIENCE{2};  // until it sleeps

    // So many others, or as many as there can be.
    long called_up(long count) {
        count = std::clamp(count, 0L, most_);
        try {
            while (static_cast<long>(others_.size()) < count)
                others_.emplace_back([this] { help(); });
        } catch (const std::system_error&) {  // there are no more threads: those that are do it
            most_ = static_cast<long>(others_.size());
        }
        return std::min(count, most_);
    }

    void help() {
        const auto ready = [this] { return over_ || wanted_ > 0; };
        while (true) {
            const auto bedtime = Clock::now() + PATIENCE;
            while (!ready() && Clock::now() < bedtime) std::this_thread::yield();
            std::unique_lock<std::mutex> lock(mutex_);
            begun_.wait(lock, ready);
            if (over_) return;
            --wanted_;
            ++helping_;
            lock.unlock();
            carry_on();
            lock.lock();
            if (--helping_ == 0) ended_.notify_one();
        }
    }

    void carry_on() {
        try {
            for (long item; (item = next_++) < count_;) (*work_)(item);
        } catch (...) {  // no memory
            next_ = count_;
            const std::lock_guard<std::mutex> lock(mutex_);
            error_ = std::current_exception();
        }
    }

    long most_;  // others

    std::mutex mutex_;  // who waits for a change of what is atomic is told of it under the lock
    std::condition_variable begun_, ended_;
    const std::function<void(long)>* work_ = nullptr;
    long count_ = 0, helping_ = 0;
    std::atomic<long> next_{0}, wanted_{0};
    std::atomic<bool> over_{false};
    std::exception_ptr error_;
    std::vector<std::thread> others_;
};
