# Which countries a CRM vault receives. The Country Integration turns the filter
# into Connection Country records in PromoMats, by which CLM content is routed.

country_filter "crm" {
  for_each   = var.crm
  connection = connection.crm[each.key]
  feature    = "clm"
  countries  = each.value.countries
}

integration "country" {
  for_each   = var.crm
  connection = connection.crm[each.key]
  type       = "country"
  status     = "active"
}

integration_point "clm_country" {
  for_each    = var.crm
  integration = integration.country[each.key]
  name        = "clm_country"
  status      = "active"
}
