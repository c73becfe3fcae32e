// Memory for matrices: aligned as the widest loads like it, and used again.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "passes.hpp"

constexpr std::size_t ALIGNMENT = 64;  // bytes of a cache line, and of the widest vector

// Of a symmetric matrix on and below its diagonal, row after row.
inline long begin_of_row(long row) { return row * (row + 1) / 2; }

inline long padded(long count) { return (count + 2 * PADDING - 1) / PADDING * PADDING; }

template <typename Element>
struct Aligned {
    using value_type = Element;
    Aligned() = default;
    template <typename Other>
    Aligned(const Aligned<Other>&) {}

    Element* allocate(std::size_t count) {
        return static_cast<Element*>(
            ::operator new(count * sizeof(Element), std::align_val_t{ALIGNMENT}));
    }
    void deallocate(Element* values, std::size_t) {
        ::operator delete(values, std::align_val_t{ALIGNMENT});
    }
    template <typename Other>
    bool operator==(const Aligned<Other>&) const {
        return true;
    }
    template <typename Other>
    bool operator!=(const Aligned<Other>&) const {
        return false;
    }
};

// Values that are not set to anything.
template <typename Element>
class Array {
public:
    Array() = default;
    explicit Array(std::size_t count)
        : count_(count), values_(Aligned<Element>().allocate(count)) {}

    Element* get() const { return values_.get(); }
    std::size_t count() const { return count_; }

private:
    struct Deleter {
        void operator()(Element* values) const { Aligned<Element>().deallocate(values, 0); }
    };
    std::size_t count_ = 0;
    std::unique_ptr<Element, Deleter> values_;
};

// Arrays that nobody uses now. To ask the system for new ones each time would cost a fault for
// every page of them.
template <typename Element>
class Spare {
public:
    Array<Element> take(long count) {
        const std::size_t needed = static_cast<std::size_t>(count) + PADDING;
        const std::lock_guard<std::mutex> lock(mutex_);
        for (Array<Element>& array : arrays_) {
            if (array.count() < needed) continue;
            std::swap(array, arrays_.back());
            Array<Element> found = std::move(arrays_.back());
            arrays_.pop_back();
            return found;
        }
        arrays_.clear();  // they are too small for the matrices of today
        return Array<Element>(needed);
    }

    void give(Array<Element> array) {
        const std::lock_guard<std::mutex> lock(mutex_);
        arrays_.push_back(std::move(array));
    }

private:
    std::mutex mutex_;
    std::vector<Array<Element>> arrays_;
};

// A square matrix of float32 that grows with what it has to hold.
class Rows {
public:
    void resize(long count) {
        stride_ = padded(count);
        const std::size_t needed = static_cast<std::size_t>(count * stride_) + PADDING;
        if (array_.count() < needed) array_ = Array<float>(needed);
    }

    float* operator[](long row) const { return array_.get() + row * stride_; }
    long stride() const { return stride_; }

private:
    long stride_ = 0;
    Array<float> array_;
};
