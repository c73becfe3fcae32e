// What Python sees. Arrays are checked by their caller, trainer.grid.native_engine, and live as
// long as the run that they were given to.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>

#include "instruction_sets.hpp"
#include "multiplication.hpp"
#include "run.hpp"

namespace py = pybind11;

namespace {

using Matrix = py::array_t<double, py::array::c_style>;

Products as_products(const Matrix& training, const Matrix& testing, const Matrix& testing_squares,
                     std::vector<long> starts) {
    const long count = training.shape(0), rows = testing.shape(0);
    if (training.shape(1) != count || testing.shape(1) != count ||
        testing_squares.shape(0) != rows || starts.size() < 2 || starts.back() != count)
        throw std::invalid_argument("matrices that do not fit each other");
    Products products{count, rows, training.data(), testing.data(), {}, testing_squares.data(),
                      std::move(starts)};
    products.squares.resize(static_cast<std::size_t>(count) + PADDING);
    for (long i = 0; i < count; ++i) products.squares[i] = training.at(i, i);
    return products;
}

// A run with the arrays that it reads.
struct HeldRun {
    std::vector<py::object> held;
    std::unique_ptr<Run> run;
};

template <typename Element>
py::array_t<Element> as_array(const std::vector<Element>& values, std::vector<py::ssize_t> shape) {
    py::array_t<Element> array(std::move(shape));
    std::copy(values.begin(), values.end(), array.mutable_data());
    return array;
}

template <typename Element>
py::array_t<Element> as_array(const std::vector<Element>& values) {
    return as_array(values, {static_cast<py::ssize_t>(values.size())});
}

// A value of each solution, for each point of the path that it belongs to.
template <typename Element, typename Value>
py::array_t<Element> of_points(const Result& result, Value value) {
    std::vector<Element> values;
    for (const long solution : result.solved_as)
        values.push_back(value(result.solutions[static_cast<std::size_t>(solution)]));
    return as_array(values);
}

py::tuple as_tuple(const Result& result) {
    const long points = static_cast<long>(result.solved_as.size());
    return py::make_tuple(
        as_array(result.decisions, {result.gammas, points, result.rows}),
        as_array(result.solved_as),
        of_points<bool>(result, [](const PairSolution& each) { return each.converged; }),
        of_points<bool>(result, [](const PairSolution& each) { return each.finite; }));
}

py::tuple as_tuple(const PairSolution& solution) {
    return py::make_tuple(as_array(solution.coefficients), solution.rho, solution.iterations,
                          solution.converged, solution.finite);
}

std::vector<const double*> rows_of(const Matrix& matrix) {
    std::vector<const double*> rows(static_cast<std::size_t>(matrix.shape(0)));
    for (std::size_t row = 0; row < rows.size(); ++row)
        rows[row] = matrix.data() + static_cast<py::ssize_t>(row) * matrix.shape(1);
    return rows;
}

std::vector<const double*> in_order(const std::vector<const double*>& rows,
                                    const std::vector<long>& order) {
    if (order.size() != rows.size()) throw std::invalid_argument("an order of other rows");
    std::vector<const double*> ordered;
    for (const long place : order) ordered.push_back(rows.at(static_cast<std::size_t>(place)));
    return ordered;
}

py::tuple multiply(const Matrix& training, const std::vector<long>& order, const Matrix& testing,
                   const std::string& set, int threads) {
    const std::vector<const double*> rows = rows_of(training);
    const RowSet given{in_order(rows, order), rows_of(testing), training.shape(1)};
    const py::ssize_t count = training.shape(0), tested = testing.shape(0);
    if (testing.shape(1) != training.shape(1))
        throw std::invalid_argument("matrices that do not fit each other");
    Matrix products({count, count}), of_testing({tested, count}), squares(tested);
    const Multiplied out{products.mutable_data(), of_testing.mutable_data(),
                         squares.mutable_data()};
    {
        const py::gil_scoped_release release;
        multiply_all(given, out, *choose_set(set).multiplier, threads);
    }
    return py::make_tuple(products, of_testing, squares);
}

}  // namespace

PYBIND11_MODULE(_native, module) {
    module.def("instruction_sets", [] {
        std::vector<std::string> names;
        for (const InstructionSet& set : usable_sets()) names.emplace_back(set.passes->name);
        return names;
    });

    module.def("multiply", &multiply);

    py::class_<Task>(module, "Task")
        .def(py::init([](long split, long first, long second, bool rbf, std::vector<double> gammas,
                         const std::vector<std::pair<double, double>>& path) {
            Task task{split, first, second, rbf, std::move(gammas), {}};
            for (const auto& [C_first, C_second] : path) task.path.push_back({C_first, C_second});
            return task;
        }));

    py::class_<Products>(module, "Products")
        .def(py::init(&as_products), py::keep_alive<1, 2>(), py::keep_alive<1, 3>(),
             py::keep_alive<1, 4>())
        .def("smallest_distances",
             [](const Products& products) {
                 const py::ssize_t classes = static_cast<py::ssize_t>(products.starts.size()) - 1;
                 const std::vector<double> smallest = [&] {
                     const py::gil_scoped_release release;
                     return smallest_distances(products, *choose_set("").passes);
                 }();
                 return as_array(smallest, {classes, classes});
             })
        .def("cubic_range", [](const Products& products, double margin) {
            const CubicRow range = [&] {
                const py::gil_scoped_release release;
                return cubic_range(products, margin, *choose_set("").passes);
            }();
            return py::make_tuple(range.apart, range.least, range.largest);
        });

    py::class_<HeldRun>(module, "Run")
        .def(py::init([](const py::list& splits, const py::list& tasks, double tolerance,
                         long iterations, bool saturate, bool keep, const std::string& set,
                         int threads) {
            std::vector<Products> given;
            std::vector<Task> work;
            auto held = std::make_unique<HeldRun>();
            for (const py::handle split : splits) {
                given.push_back(split.cast<const Products&>());
                held->held.push_back(py::reinterpret_borrow<py::object>(split));
            }
            for (const py::handle task : tasks) work.push_back(task.cast<const Task&>());
            const Options options{{iterations, tolerance, nullptr}, choose_set(set).passes, saturate,
                                  keep};
            held->run = std::make_unique<Run>(std::move(given), std::move(work), options, threads);
            return held;
        }))
        .def("wait", [](HeldRun& self, double seconds) -> std::optional<long> {
            const long task = [&] {
                const py::gil_scoped_release release;
                return self.run->wait(seconds);
            }();
            return task < 0 ? std::nullopt : std::optional<long>(task);
        })
        .def("take", [](HeldRun& self, long task) {
            const py::tuple taken = as_tuple(self.run->result(task));
            self.run->release(task);
            return taken;
        })
        .def("take_trained", [](HeldRun& self, long task) {
            const py::tuple taken = as_tuple(self.run->result(task).solutions.front());
            self.run->release(task);
            return taken;
        })
        .def("close", [](HeldRun& self) {
            const py::gil_scoped_release release;
            self.run.reset();
        });
}
