// What Python sees. Whatever it is called with, it raises an exception or does what it is told; only
// the values in the arrays are taken as they are.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <tuple>

#include "instruction_sets.hpp"
#include "multiplication.hpp"
#include "run.hpp"

namespace py = pybind11;

namespace {

using Matrix = py::array_t<double, py::array::c_style>;

void require(bool holds, const char* otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
}

// The rows that were multiplied: a training set, the order that its classes have in the matrices, and
// what it is tested on.
using GivenRows = std::tuple<Matrix, std::vector<long>, Matrix>;

// Products with the arrays that they lie in. What Python hands over may be a copy in the right form
// that nobody else holds.
struct HeldProducts {
    Matrix training, testing, rows, testing_rows;
    Products products;
};

const double* row_of(const Matrix& matrix, long row) {
    return matrix.data() + row * matrix.shape(1);
}

Originals originals(const GivenRows& given, long count, long testing_count) {
    const auto& [training, order, testing] = given;
    require(training.ndim() == 2 && testing.ndim() == 2 && training.shape(0) == count &&
                static_cast<long>(order.size()) == count && testing.shape(0) == testing_count &&
                testing.shape(1) == training.shape(1) &&
                training.shape(1) <= std::numeric_limits<int>::max(),
            "rows that do not fit their products");
    Originals found{{}, testing.data(), training.shape(1)};
    for (const long row : order) {
        require(row >= 0 && row < count, "an order of rows that there are not");
        found.training.push_back(row_of(training, row));
    }
    return found;
}

std::shared_ptr<HeldProducts> hold_products(const Matrix& training, const Matrix& testing,
                                            const Matrix& testing_squares,
                                            std::vector<long> starts, const GivenRows& rows) {
    require(training.ndim() == 1 && testing.ndim() == 2 && testing_squares.ndim() == 1,
            "matrices that do not fit each other");
    const long count = testing.shape(0), tested = testing.shape(1);
    require(training.shape(0) == begin_of_row(count) && testing_squares.shape(0) == tested,
            "matrices that do not fit each other");
    require(starts.size() > 1 && starts.front() == 0 && starts.back() == count &&
                std::is_sorted(starts.begin(), starts.end()),
            "classes that do not begin one after the other");
    auto held = std::make_shared<HeldProducts>();
    held->training = training;
    held->testing = testing;
    held->rows = std::get<0>(rows);
    held->testing_rows = std::get<2>(rows);
    Products& products = held->products;
    products = {count, tested, training.data(), testing.data(), {}, {}, std::move(starts),
                originals(rows, count, tested), {}};
    products.squares.resize(static_cast<std::size_t>(count) + PADDING);
    for (long i = 0; i < count; ++i) products.squares[i] = products.training_row(i)[i];
    products.testing_squares.assign(testing_squares.data(), testing_squares.data() + tested);
    products.testing_squares.resize(static_cast<std::size_t>(tested) + PADDING);
    const py::gil_scoped_release release;
    products.nearest = nearest(products);
    return held;
}

// What scipy's Cython modules share: a function, under the name of its type.
Dot dot_of(const py::capsule& shared) {
    constexpr char TYPE[] =
        "__pyx_t_5scipy_6linalg_11cython_blas_d (int *, __pyx_t_5scipy_6linalg_11cython_blas_d *, "
        "int *, __pyx_t_5scipy_6linalg_11cython_blas_d *, int *)";
    require(shared.name() && std::strcmp(shared.name(), TYPE) == 0,
            "not the inner product of scipy.linalg.cython_blas");
    return reinterpret_cast<Dot>(shared.get_pointer());
}

// A run with the products that it reads. Calls of several Python threads may overlap, since they run
// without the interpreter lock: each holds the run for as long as it takes.
class HeldRun {
public:
    HeldRun(std::vector<std::shared_ptr<HeldProducts>> held, const std::vector<Task*>& tasks,
            const Options& options, int threads)
        : held_(std::move(held)) {
        std::vector<const Products*> splits;
        for (const std::shared_ptr<HeldProducts>& each : held_) {
            require(each != nullptr, "None instead of products");
            splits.push_back(&each->products);
        }
        std::vector<Task> work;
        for (const Task* task : tasks) {
            require(task != nullptr, "None instead of a task");
            work.push_back(*task);
        }
        try {
            run_ = std::make_shared<Run>(std::move(splits), std::move(work), options, threads);
        } catch (const std::system_error& error) {
            const py::tuple said = py::make_tuple(error.code().value(), "no thread can be started");
            PyErr_SetObject(PyExc_OSError, said.ptr());
            throw py::error_already_set();
        }
    }

    std::shared_ptr<Run> run() const {
        require(run_ != nullptr, "the run is closed");
        return run_;
    }

    void close() {
        const std::shared_ptr<Run> run = run_;
        if (!run) return;
        {
            const py::gil_scoped_release release;
            run->close();
        }
        run_.reset();
        held_.clear();  // nobody reads them any more
    }

private:
    std::vector<std::shared_ptr<HeldProducts>> held_;
    std::shared_ptr<Run> run_;
};

constexpr double LONGEST_WAIT = 3600;  // seconds

std::optional<long> wait_for(const HeldRun& held, double seconds) {
    require(seconds >= 0 && seconds <= LONGEST_WAIT, "a run is waited for 0 to 3600 seconds");
    const std::shared_ptr<Run> run = held.run();
    const py::gil_scoped_release release;
    const long ballot = run->wait(seconds);
    return ballot < 0 ? std::nullopt : std::optional<long>(ballot);
}

template <typename Element>
py::array_t<Element> as_array(const std::vector<Element>& values, std::vector<py::ssize_t> shape) {
    py::array_t<Element> array(std::move(shape));
    if (array.size() != static_cast<py::ssize_t>(values.size()))
        throw std::logic_error("values that do not fill their array");
    std::copy(values.begin(), values.end(), array.mutable_data());
    return array;
}

template <typename Element>
py::array_t<Element> as_array(const std::vector<Element>& values) {
    return as_array(values, {static_cast<py::ssize_t>(values.size())});
}

py::array_t<bool> as_flags(const std::vector<char>& values) {
    return as_array(std::vector<bool>(values.begin(), values.end()));
}

py::tuple as_tuple(const Outcome& outcome) {
    return py::make_tuple(as_array(outcome.predicted, {outcome.points, outcome.rows}),
                          as_array(outcome.solved_as), as_flags(outcome.converged),
                          as_flags(outcome.finite));
}

py::tuple as_tuple(const Result& result) {
    const PairSolution& solution = result.solutions.front();
    const long points = static_cast<long>(result.solved_as.size());
    return py::make_tuple(as_array(solution.coefficients), solution.rho, solution.iterations,
                          solution.converged, solution.finite,
                          as_array(result.decisions, {result.gammas, points, result.rows}));
}

// A training set in the order of its matrix, what it is tested on, and of each row the place that it
// has in an order that all sets share: of the training rows as they lie, then of the others.
using GivenSet = std::tuple<Matrix, std::vector<long>, Matrix, std::vector<long>>;

void put_row(RowSet& set, long number, const double* row, long place) {
    require(number >= 0 && number < static_cast<long>(set.rows.size()) && !set.rows[number],
            "numbers of rows that are not each of them once");
    set.rows[number] = row;
    set.places[number] = place;
}

RowSet row_set(const GivenSet& given) {
    const auto& [training, order, testing, numbers] = given;
    require(training.ndim() == 2 && testing.ndim() == 2 && testing.shape(1) == training.shape(1),
            "matrices that do not fit each other");
    RowSet set{{}, {}, training.shape(0), testing.shape(0), training.shape(1)};
    const long count = set.trained + set.tested;
    require(static_cast<long>(order.size()) == set.trained, "an order of other rows");
    require(static_cast<long>(numbers.size()) == count,
            "numbers of rows that are not each of them once");
    set.rows.resize(count);
    set.places.resize(count);
    for (long place = 0; place < set.trained; ++place) {
        const long row = order[place];
        require(row >= 0 && row < set.trained, "an order of rows that there are not");
        put_row(set, numbers[row], row_of(training, row), place);
    }
    for (long row = 0; row < set.tested; ++row)
        put_row(set, numbers[set.trained + row], row_of(testing, row), -1 - row);
    return set;
}

// Whether the handler of a signal has raised an exception, which then waits to be thrown. Handlers
// run nowhere but on Python's main thread, so on others the answer is no.
class Interruption {
public:
    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (now - asked_ < std::chrono::milliseconds(50)) return false;
        asked_ = now;
        const py::gil_scoped_acquire acquire;
        return PyErr_CheckSignals() != 0;
    }

private:
    std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
};

std::vector<RowSet> row_sets(const std::vector<GivenSet>& given) {
    std::vector<RowSet> sets;
    for (const GivenSet& each : given) {
        sets.push_back(row_set(each));
        require(sets.back().rows.size() == sets.front().rows.size(), "sets of different rows");
    }
    return sets;
}

py::list multiply(const std::vector<GivenSet>& given, const std::string& name, int threads) {
    const Multiplier& multiplier = *choose_set(name).multiplier;
    const std::vector<RowSet> sets = row_sets(given);
    std::vector<Multiplied> out;
    py::list products;
    for (const RowSet& set : sets) {
        Matrix training(begin_of_row(set.trained)), testing({set.trained, set.tested});
        Matrix squares(set.tested);
        out.push_back({training.mutable_data(), testing.mutable_data(), squares.mutable_data()});
        products.append(py::make_tuple(training, testing, squares));
    }
    bool complete;
    {
        const py::gil_scoped_release release;
        complete = multiply_all(sets, out, multiplier, threads, Interruption());
    }
    if (!complete) throw py::error_already_set();
    return products;
}

}  // namespace

PYBIND11_MODULE(_native, module) {
    module.def("instruction_sets", [] {
        std::vector<std::string> names;
        for (const InstructionSet& set : usable_sets()) names.emplace_back(set.passes->name);
        return names;
    });

    module.def("check_inner_product", [](const py::capsule& shared) { dot_of(shared); });

    module.def("multiply", &multiply);

    module.def("common_columns", [](const std::vector<GivenSet>& given, int threads) {
        std::vector<std::pair<std::vector<long>, std::vector<long>>> found;
        const std::vector<RowSet> sets = row_sets(given);
        if (sets.empty()) return found;
        Team team(threads);
        for (Columns& each : common_columns(sets, team, [] { return false; }))
            found.emplace_back(std::move(each.sets), std::move(each.columns));
        return found;
    });

    py::class_<Task>(module, "Task")
        .def(py::init([](long split, long first, long second, bool rbf, std::vector<double> gammas,
                         std::vector<long> ballots, const std::vector<double>& path,
                         const std::pair<double, double>& weights) {
            Task task{split, first, second, rbf, std::move(gammas), std::move(ballots), {}};
            for (const double C : path)
                task.path.push_back({C * weights.first, C * weights.second});
            return task;
        }));

    py::class_<HeldProducts, std::shared_ptr<HeldProducts>>(module, "Products")
        .def(py::init(&hold_products))
        .def("smallest_distances",
             [](const HeldProducts& held) {
                 const Products& products = held.products;
                 const py::ssize_t classes = static_cast<py::ssize_t>(products.starts.size()) - 1;
                 const std::vector<double> smallest = [&] {
                     const py::gil_scoped_release release;
                     return smallest_distances(products, *choose_set("").passes);
                 }();
                 return as_array(smallest, {classes, classes});
             })
        .def("cubic_range", [](const HeldProducts& held, double margin) {
            const CubicRow range = [&] {
                const py::gil_scoped_release release;
                return cubic_range(held.products, margin, *choose_set("").passes);
            }();
            return py::make_tuple(range.apart, range.least, range.largest);
        });

    py::class_<HeldRun>(module, "Run")
        .def(py::init([](std::vector<std::shared_ptr<HeldProducts>> splits,
                         const std::vector<Task*>& tasks, double tolerance, long iterations,
                         bool saturate, bool keep, const std::string& set, int threads,
                         const py::capsule& dot) {
            const Options options{{iterations, tolerance, nullptr, nullptr},
                                  choose_set(set).passes,
                                  dot_of(dot),
                                  saturate,
                                  keep};
            return std::make_unique<HeldRun>(std::move(splits), tasks, options, threads);
        }))
        .def("wait", &wait_for)
        .def("progress", [](const HeldRun& self) { return self.run()->progress(); })
        .def("take",
             [](const HeldRun& self, long ballot) { return as_tuple(self.run()->take(ballot)); })
        .def("take_result",
             [](const HeldRun& self, long task) { return as_tuple(self.run()->take_result(task)); })
        .def("close", &HeldRun::close);
}
