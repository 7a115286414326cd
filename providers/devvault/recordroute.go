package devvault

// recordRoutes are the routes of objects and their records.
func recordRoutes(get, post, put, remove func(string, func(*call) (reply, error)) *route) []*route {
	const record, attachment = "vobjects/{object}/{id}", "vobjects/{object}/{id}/attachments/{attachment}"
	return []*route{
		get("metadata/vobjects", handleObjects),
		get("metadata/vobjects/{object}", handleObject),
		get("metadata/vobjects/{object}/fields/{field}", handleObjectField),
		get("metadata/vobjects/{object}/page_layouts", handlePageLayouts),
		get("metadata/vobjects/{object}/page_layouts/{layout}", handlePageLayout),
		post("metadata/vobjects/{object}/actions/canceldeployment", handleCancelDeployment),

		get("vobjects/{object}", handleListRecords),
		get(record, handleReadRecord),
		post("vobjects/{object}", handleCreateRecords),
		put("vobjects/{object}", handleUpdateRecords),
		remove("vobjects/{object}", handleDeleteRecords),
		get("objects/deletions/vobjects/{object}", handleRecordDeletions),

		get(record+"/actions", handleRecordActions),
		get(record+"/actions/{action}", handleRecordAction),
		post(record+"/actions/{action}", handleRunRecordAction),
		post("vobjects/{object}/actions/{action}", handleRunRecordActions),
		post("vobjects/{object}/actions/changetype", handleChangeType),
		post("vobjects/{object}/actions/recalculaterollups", handleRecalculate),
		get("vobjects/{object}/actions/recalculaterollups", handleRecalculateStatus),
		put("vobjects/{object}/actions/updatecorporatecurrency", handleRecalculate),

		post(record+"/actions/cascadedelete", handleCascadeDelete),
		get("vobjects/cascadedelete/results/{object}/{status}/{job}", handleTreeResults),
		post(record+"/actions/deepcopy", handleDeepCopy),
		get("vobjects/deepcopy/results/{object}/{status}/{job}", handleTreeResults),

		post("vobjects/{object}/actions/merge", handleMerge),
		get("vobjects/merges/{job}/status", handleMergeStatus),
		get("vobjects/merges/{job}/results", handleMergeResults),
		get("vobjects/merges/{job}/log", handleMergeLog),

		get(record+"/roles", handleRecordRoles),
		get(record+"/roles/{role}", handleRecordRoles),
		post("vobjects/{object}/roles", handleAssignRecordRoles),
		remove("vobjects/{object}/roles", handleRemoveRecordRoles),

		get(record+"/attachments", handleRecordAttachments),
		post(record+"/attachments", handleAddRecordAttachment),
		get(record+"/attachments/file", handleRecordAttachmentFiles),
		get(attachment, handleRecordAttachment),
		put(attachment, handleDescribeRecordAttachment),
		remove(attachment, handleDeleteRecordAttachment),
		get(attachment+"/file", handleRecordAttachmentFile),
		get(attachment+"/versions", handleRecordAttachmentVersions),
		get(attachment+"/versions/{version_number}", handleRecordAttachment),
		post(attachment+"/versions/{version_number}", handleRestoreRecordAttachment),
		remove(attachment+"/versions/{version_number}", handleDeleteRecordAttachment),
		get(attachment+"/versions/{version_number}/file", handleRecordAttachmentFile),
		get("objects/deletions/vobjects/{object}/attachments", handleRecordAttachmentDeletions),
		get(record+"/attachment_fields/file", handleAttachmentFieldFiles),
		get(record+"/attachment_fields/{field}/file", handleAttachmentFieldFile),
		post(record+"/attachment_fields/{field}/file", handleSetAttachmentField),
	}
}
