"""The tables and services of the simulated Kinetic: names, keys and types as the base product has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from simulators.epicor.schema import Child, Column, Service, Table, columns

SYSTEM = "SysRevID:long SysRowID:guid RowMod"
ADDRESS = "Address1 Address2 Address3 City State"
DATE_TIME_BY = ("ChangeDate", "ChangeTime", "ChangedBy")

_TABLES = (
    Table(
        "Customer",
        ("Company", "CustNum"),
        columns(
            f"""Company CustID CustNum:int Name {ADDRESS} Zip Country CountryNum:int PhoneNum FaxNum
            EMailAddress CustURL CustomerType GroupCode TerritoryID SalesRepCode TermsCode CurrencyCode
            CreditHold:bool CreditLimit:dec NoContact:bool Inactive:bool EstDate:when PrimPCon:int
            PrimBCon:int PrimSCon:int WebCustomer:bool ExternalID ParentCustNum:int BTName BTCity
            BTCountryNum:int ValidPayer:bool ValidSoldTo:bool ValidShipTo:bool
            ExternalCRMSyncRequired:bool ChangedBy ChangeDate:when ChangeTime:int {SYSTEM} UD_SysRevID
            MC_Status_c MC_StatusDate_c:when MC_StatusReason_c MC_Campaign_c Industry_c Region_c
            AccountStatus_c"""
        ),
        children=(Child("ShipToes", "ShipTo", {"Company": "Company", "CustNum": "CustNum"}),),
        change_columns=DATE_TIME_BY,
    ),
    Table(
        "CustCnt",
        ("Company", "CustNum", "ShipToNum", "ConNum"),
        columns(
            f"""Company CustNum:int ShipToNum ConNum:int Name FirstName MiddleName LastName Prefix Suffix
            Initials ContactTitle Func RoleCode EMailAddress PhoneNum CellPhoneNum FaxNum
            SpecialAddress:bool {ADDRESS} Zip Country CountryNum:int CorpName Comment NoContact:bool
            Inactive:bool CreateDate:when CreateDcdUserID ChangeDate:when ChangeTime:int ChangedBy
            ExternalID GlobalLock:bool PerConID:int SyncNameToPerCon:bool SyncAddressToPerCon:bool
            SyncPhoneToPerCon:bool SyncEmailToPerCon:bool SyncLinksToPerCon:bool ExternalCRMContactID
            PrimaryBilling:bool PrimaryPurchasing:bool PrimaryShipping:bool AttrCodeList CustNumCustID
            CustNumName SFPortalPassword {SYSTEM} UD_SysRevID MC_Status_c MC_StatusDate_c:when
            MC_StatusReason_c MC_Campaign_c MC_Sent_c:int MC_Opened_c:int MC_Clicked_c:int MC_Bounces_c:int
            MC_LastOpened_c:when MC_LastCampaign_c"""
        ),
        # ChangeDate exists and is never maintained: the dictionary says that no code does.
        change_columns=("ChangedBy",),
    ),
    Table(
        "ShipTo",
        ("Company", "CustNum", "ShipToNum"),
        columns(
            f"""Company CustNum:int ShipToNum Name {ADDRESS} ZIP Country CountryNum:int PhoneNum FaxNum
            EMailAddress TerritoryID SalesRepCode ShipViaCode PrimSCon:int ChangedBy ChangeDate:when
            ChangeTime:int {SYSTEM}"""
        ),
        change_columns=DATE_TIME_BY,
    ),
    Table(
        "PerCon",
        ("Company", "PerConID"),
        columns(
            f"""Company PerConID:int Name FirstName MiddleName LastName EMailAddress PhoneNum CellPhoneNum
            {ADDRESS} Zip Country CountryNum:int ContactTitle Comment GlobalPerCon:bool {SYSTEM}"""
        ),
        children=(Child("PerConLnks", "PerConLnk", {"Company": "Company", "PerConID": "PerConID"}),),
    ),
    Table(
        "PerConLnk",
        ("Company", "PerConID", "ContextLink", "LinkSysRowID"),
        columns(
            f"Company PerConID:int ContextLink LinkSysRowID:guid PrimaryContext:bool EMailAddress {SYSTEM}"
        ),
    ),
    Table(
        "Vendor",
        ("Company", "VendorNum"),
        columns(
            f"""Company VendorNum:int VendorID Name {ADDRESS} ZIP Country CountryNum:int EMailAddress
            PhoneNum FaxNum GroupCode TermsCode CurrencyCode Approved:bool Inactive:bool PayHold:bool
            PurPoint PrimPCon:int TaxPayerID VendURL Comment {SYSTEM}"""
        ),
        children=(Child("VendCnts", "VendCnt", {"Company": "Company", "VendorNum": "VendorNum"}),),
    ),
    Table(
        "VendCnt",
        ("Company", "VendorNum", "PurPoint", "ConNum"),
        columns(
            f"""Company VendorNum:int PurPoint ConNum:int Name FirstName LastName EMailAddress PhoneNum
            RoleCode Inactive:bool CreateDate:when ChangeDate:when {SYSTEM}"""
        ),
        change_columns=("ChangeDate",),
    ),
    Table(
        "Part",
        ("Company", "PartNum"),
        columns(
            f"""Company PartNum PartDescription SearchWord TypeCode ClassID ProdCode IUM PUM SalesUM
            UnitPrice:dec NonStock:bool InActive:bool TrackLots:bool TrackSerialNum:bool NetWeight:dec
            CommodityCode OnHold:bool RunOut:bool CreatedBy CreatedOn:when ChangedBy ChangedOn:when
            {SYSTEM}"""
        ),
        change_columns=("ChangedOn", "ChangedBy"),
    ),
    Table(
        "POHeader",
        ("Company", "PONum"),
        columns(
            f"""Company PONum:int VendorNum:int VendorVendorID VendorName PurPoint OrderDate:when
            DueDate:when PromiseDate:when OpenOrder:bool VoidOrder:bool OrderHeld:bool BuyerID
            EntryPerson CurrencyCode ExchangeRate:dec Approve:bool ApprovalStatus ApprovedDate:when
            Confirmed:bool TotalOrder:dec DocTotalOrder:dec TotalTax:dec TermsCode ShipViaCode FOB
            ShipName CommentText HasLines:bool ChangeDate:when ChangedBy {SYSTEM}"""
        ),
        children=(Child("PODetails", "PODetail", {"Company": "Company", "PONUM": "PONum"}),),
        change_columns=("ChangeDate", "ChangedBy"),
    ),
    Table(
        "PODetail",
        # PONUM here, PONum in its parent and in its children: a trap of the base product.
        ("Company", "PONUM", "POLine"),
        columns(
            f"""Company PONUM:int POLine:int PartNum LineDesc IUM PUM OrderQty:dec UnitCost:dec
            DocUnitCost:dec ExtCost:dec DueDate:when OpenLine:bool VoidLine:bool VendorNum:int
            ChangeDate:when ChangedBy {SYSTEM}"""
        ),
        children=(Child("PORels", "PORel", {"Company": "Company", "PONum": "PONUM", "POLine": "POLine"}),),
        change_columns=("ChangeDate", "ChangedBy"),
    ),
    Table(
        "PORel",
        ("Company", "PONum", "POLine", "PORelNum"),
        columns(
            f"""Company PONum:int POLine:int PORelNum:int RelQty:dec ReceivedQty:dec DueDate:when
            PromiseDt:when OpenRelease:bool Plant WarehouseCode {SYSTEM}"""
        ),
    ),
    Table(
        "OrderHed",
        ("Company", "OrderNum"),
        columns(
            f"""Company OrderNum:int CustNum:int PONum ShipToNum OrderDate:when RequestDate:when
            NeedByDate:when OpenOrder:bool VoidOrder:bool OrderHeld:bool EntryPerson SalesRepList TermsCode
            CurrencyCode ExchangeRate:dec OrderAmt:dec DocOrderAmt:dec ChangedBy ChangeDate:when
            ChangeTime:int {SYSTEM} UD_SysRevID Channel_c"""
        ),
        children=(Child("OrderDtls", "OrderDtl", {"Company": "Company", "OrderNum": "OrderNum"}),),
        change_columns=DATE_TIME_BY,
    ),
    Table(
        "OrderDtl",
        ("Company", "OrderNum", "OrderLine"),
        columns(
            f"""Company OrderNum:int OrderLine:int PartNum LineDesc ProdCode OrderQty:dec UnitPrice:dec
            ExtPriceDtl:dec OpenLine:bool VoidLine:bool ChangedBy ChangeDate:when ChangeTime:int {SYSTEM}"""
        ),
        change_columns=DATE_TIME_BY,
    ),
    Table(
        "InvcHead",
        ("Company", "InvoiceNum"),
        columns(
            f"""Company InvoiceNum:int InvoiceType CreditMemo:bool OpenInvoice:bool Posted:bool CustNum:int
            OrderNum:int PONum InvoiceDate:when DueDate:when TermsCode CurrencyCode ExchangeRate:dec
            InvoiceAmt:dec DocInvoiceAmt:dec InvoiceBal:dec ChangedBy ChangeDate:when ChangeTime:int
            {SYSTEM}"""
        ),
        children=(Child("InvcDtls", "InvcDtl", {"Company": "Company", "InvoiceNum": "InvoiceNum"}),),
        change_columns=DATE_TIME_BY,
    ),
    Table(
        "InvcDtl",
        ("Company", "InvoiceNum", "InvoiceLine"),
        columns(
            f"""Company InvoiceNum:int InvoiceLine:int OrderNum:int OrderLine:int PartNum LineDesc ProdCode
            OurShipQty:dec UnitPrice:dec ExtPrice:dec ChangedBy ChangeDate:when ChangeTime:int {SYSTEM}"""
        ),
        change_columns=DATE_TIME_BY,
    ),
    Table(
        "GLAccount",
        ("Company", "COACode", "GLAccount1"),
        columns(
            f"""Company COACode GLAccount1 AccountDesc SegValue1 SegValue2 SegValue3 Active:bool
            EffFrom:when EffTo:when MultiCompany:bool StatisticalDesc GLAcctDispGLAcctDisp
            GLAcctDispGLShortAcct {SYSTEM}"""
        ),
    ),
    Table(
        "CRMCall",
        ("Company", "RelatedToFile", "Key1", "Key2", "Key3", "CallSeqNum"),
        columns(
            f"""Company RelatedToFile Key1 Key2 Key3 CallSeqNum:int CallDesc CallText CallTypeCode
            CallContactType CallCustNum:int CallShipToNum CallConNum:int SalesRepCode OrigDate:when
            OrigTime:int LastDate:when LastTime:int ChangeDate:when ChangeTime:int ChangedBy {SYSTEM}"""
        ),
        change_columns=DATE_TIME_BY,
    ),
    Table(
        "Memo",
        ("RelatedToSchemaName", "RelatedToFile", "RelatedToSysRowID", "MemoNum"),
        columns(
            f"""Company RelatedToSchemaName RelatedToFile RelatedToSysRowID:guid MemoNum:int MemoDate:when
            MemoDesc MemoText CategoryID MemoUserID {SYSTEM}"""
        ),
        namespace="Ice",
    ),
)

_SERVICES = (
    Service(
        "Erp.BO.CustomerSvc",
        {"Customers": "Customer", "ShipToes": "ShipTo"},
        {"custNum": "CustNum"},
        {"GetNewCustomer": "Customer"},
    ),
    Service(
        "Erp.BO.CustCntSvc",
        {"CustCnts": "CustCnt"},
        {"custNum": "CustNum", "shipToNum": "ShipToNum", "conNum": "ConNum"},
        {"GetNewCustCnt": "CustCnt"},
    ),
    Service(
        "Erp.BO.ShipToSvc",
        {"ShipToes": "ShipTo"},
        {"custNum": "CustNum", "shipToNum": "ShipToNum"},
        {"GetNewShipTo": "ShipTo"},
    ),
    Service(
        "Erp.BO.PerConSvc",
        {"PerCons": "PerCon", "PerConLnks": "PerConLnk"},
        {"perConID": "PerConID"},
        {"GetNewPerCon": "PerCon"},
    ),
    Service(
        "Erp.BO.VendorSvc",
        {"Vendors": "Vendor", "VendCnts": "VendCnt"},
        {"vendorNum": "VendorNum"},
        {"GetNewVendor": "Vendor"},
    ),
    Service("Erp.BO.PartSvc", {"Parts": "Part"}, {"partNum": "PartNum"}, {"GetNewPart": "Part"}),
    Service(
        "Erp.BO.POSvc",
        {"POes": "POHeader", "PODetails": "PODetail", "PORels": "PORel"},
        {"poNum": "PONum"},
        {"GetNewPOHeader": "POHeader"},
    ),
    Service(
        "Erp.BO.SalesOrderSvc",
        {"SalesOrders": "OrderHed", "OrderDtls": "OrderDtl"},
        {"orderNum": "OrderNum"},
        {"GetNewOrderHed": "OrderHed"},
    ),
    Service(
        "Erp.BO.ARInvoiceSvc",
        {"ARInvoices": "InvcHead", "InvcDtls": "InvcDtl"},
        {"invoiceNum": "InvoiceNum"},
    ),
    Service(
        "Erp.BO.GLAccountSvc",
        {"GLAccounts": "GLAccount"},
        {"coaCode": "COACode", "glAccount": "GLAccount1"},
        {"GetNewGLAccount": "GLAccount"},
    ),
    Service(
        "Erp.BO.CRMCallSvc",
        {"CRMCalls": "CRMCall"},
        {
            "relatedToFile": "RelatedToFile",
            "key1": "Key1",
            "key2": "Key2",
            "key3": "Key3",
            "callSeqNum": "CallSeqNum",
        },
        {"GetNewCRMCall": "CRMCall"},
    ),
    Service(
        "Ice.BO.MemoSvc",
        {"Memos": "Memo"},
        {
            "relatedToSchemaName": "RelatedToSchemaName",
            "relatedToFile": "RelatedToFile",
            "relatedToSysRowID": "RelatedToSysRowID",
            "memoNum": "MemoNum",
        },
        {"GetNewMemo": "Memo"},
    ),
)

SERVICES: Mapping[str, Service] = {service.name: service for service in _SERVICES}


def tables(*, with_updated_on: bool, ud_columns: Mapping[str, str] | None = None) -> Mapping[str, Table]:
    """The tables of a profile: `UpdatedOn` is on all of them, or, as in a stock tenant, on none.

    Args:
        with_updated_on: Whether it is.
        ud_columns: Further columns by table, written as `schema.columns` reads them.
    """
    return _tables(with_updated_on, tuple((ud_columns or {}).items()))


@cache
def _tables(with_updated_on: bool, ud_columns: tuple[tuple[str, str], ...]) -> Mapping[str, Table]:
    updated_on = (Column("UpdatedOn", "Edm.DateTimeOffset"),) if with_updated_on else ()
    added = {name: columns(declared) for name, declared in ud_columns}
    return {
        table.name: replace(table, columns=(*table.columns, *added.get(table.name, ()), *updated_on))
        for table in _TABLES
    }
