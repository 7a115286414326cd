module "north" {
  source   = "./north"
  for_each = toset(["se", "no"])
}

import {
  to = connection.crm["it"]
  id = "V0A000000000001"
}

removed {
  from      = country_filter.crm["fr"]
  then      = "forget"
  unprotect = true
}

moved {
  from = integration.old
  to   = integration.clm["it"]
}

check "markets" {
  assert {
    condition     = alltrue([for m in var.markets : length(m.covers) > 0])
    error_message = "A market covers nothing."
  }
}

output "synced" {
  description = "When each market was last in step"
  value       = { for market, point in integration_point.presentations : market => point.last_successful_run_time }
}
