# The CLM Integration: approved presentations, slides and shared resources.

integration "clm" {
  for_each   = var.crm
  connection = connection.crm[each.key]
  type       = "clm"
  status     = "active"
}

integration_point "clm_presentation" {
  for_each    = var.crm
  integration = integration.clm[each.key]
  name        = "clm_presentation"
  status      = "active"
}

query_rule "approved_only" {
  for_each   = var.crm
  connection = connection.crm[each.key]
  status     = "active"
}

field_rule "audience" {
  for_each   = var.crm
  connection = connection.crm[each.key]
  source     = "audience__c"
  target     = "audience__c"
  applies_to = ["presentation__v", "slide__v"]
  values     = { hcp__c = "professional__c", patient__c = "consumer__c" }
  default    = "professional__c"
}

output "synced" {
  value = { for k, p in integration_point.clm_presentation : k => p.last_successful_run_time }
}
