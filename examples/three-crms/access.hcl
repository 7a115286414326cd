# What a content administrator of a CRM vault may do.

permission_set "content_admin" {
  for_each = var.crm
  vault    = vault.crm[each.key]
  name     = "clm_content_admin__c"
  label    = "CLM content administration"
  bundles  = ["clm_integration", "country_integration"]
}
