#include "report.hpp"

namespace bench
{

bool PlainNames::ReportContext(const Context &context)
{
    inner_->SetOutputStream(&GetOutputStream());
    inner_->SetErrorStream(&GetErrorStream());
    Context shortened = context;
    shortened.name_field_width -= std::string("/manual_time").size();
    return inner_->ReportContext(shortened);
}

void PlainNames::ReportRuns(const std::vector<Run> &runs)
{
    std::vector<Run> renamed = runs;
    for (Run &run : renamed) run.run_name.time_type.clear();
    inner_->ReportRuns(renamed);
}

} // namespace bench
