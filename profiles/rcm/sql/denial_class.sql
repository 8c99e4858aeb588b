-- Claim adjustment reason codes by class (patient-share, contractual, cob; every other code is a denial),
-- category, and what the provider can do about it (scenario). A ConceptMap of the practice goes before the
-- defaults below, one for a payer (useContext) before one for all. Grain: payer_id ('' for all payers) and
-- reason_code.
WITH default_rule AS (
  SELECT d.reason_code, d.class, d.category, d.scenario
  FROM (VALUES
    ('1', 'patient-share', 'patient-share', 'other'), ('2', 'patient-share', 'patient-share', 'other'),
    ('3', 'patient-share', 'patient-share', 'other'), ('24', 'contractual', 'contractual', 'other'),
    ('44', 'contractual', 'contractual', 'other'), ('45', 'contractual', 'contractual', 'other'),
    ('59', 'contractual', 'contractual', 'other'), ('90', 'contractual', 'contractual', 'other'),
    ('91', 'contractual', 'contractual', 'other'), ('94', 'contractual', 'contractual', 'other'),
    ('131', 'contractual', 'contractual', 'other'), ('144', 'contractual', 'contractual', 'other'),
    ('161', 'contractual', 'contractual', 'other'), ('187', 'contractual', 'contractual', 'other'),
    ('223', 'contractual', 'contractual', 'other'), ('225', 'contractual', 'contractual', 'other'),
    ('237', 'contractual', 'contractual', 'other'), ('246', 'contractual', 'contractual', 'other'),
    ('253', 'contractual', 'contractual', 'other'), ('23', 'cob', 'cob', 'other'),
    ('26', 'denial', 'eligibility', 'not-covered'), ('27', 'denial', 'eligibility', 'not-covered'),
    ('31', 'denial', 'eligibility', 'not-covered'), ('32', 'denial', 'eligibility', 'not-covered'),
    ('33', 'denial', 'eligibility', 'not-covered'), ('22', 'denial', 'wrong-payer', 'not-covered'),
    ('109', 'denial', 'wrong-payer', 'not-covered'), ('15', 'denial', 'authorization', 'missing-data'),
    ('197', 'denial', 'authorization', 'not-covered'),
    ('198', 'denial', 'authorization', 'not-covered'),
    ('16', 'denial', 'missing-information', 'missing-data'),
    ('163', 'denial', 'missing-information', 'missing-documentation'),
    ('226', 'denial', 'missing-information', 'missing-documentation'),
    ('227', 'denial', 'missing-information', 'missing-documentation'),
    ('251', 'denial', 'missing-information', 'missing-documentation'),
    ('252', 'denial', 'missing-information', 'missing-documentation'),
    ('50', 'denial', 'medical-necessity', 'not-covered'),
    ('55', 'denial', 'medical-necessity', 'not-covered'),
    ('56', 'denial', 'medical-necessity', 'not-covered'),
    ('49', 'denial', 'non-covered', 'not-covered'), ('96', 'denial', 'non-covered', 'not-covered'),
    ('204', 'denial', 'non-covered', 'not-covered'), ('4', 'denial', 'coding', 'missing-data'),
    ('5', 'denial', 'coding', 'missing-data'), ('6', 'denial', 'coding', 'missing-data'),
    ('7', 'denial', 'coding', 'missing-data'), ('9', 'denial', 'coding', 'missing-data'),
    ('10', 'denial', 'coding', 'missing-data'), ('11', 'denial', 'coding', 'missing-data'),
    ('97', 'denial', 'coding', 'not-separately-payable'), ('146', 'denial', 'coding', 'missing-data'),
    ('181', 'denial', 'coding', 'missing-data'), ('182', 'denial', 'coding', 'missing-data'),
    ('199', 'denial', 'coding', 'missing-data'), ('231', 'denial', 'coding', 'not-separately-payable'),
    ('234', 'denial', 'coding', 'not-separately-payable'),
    ('236', 'denial', 'coding', 'not-separately-payable'),
    ('119', 'denial', 'frequency', 'not-covered'), ('151', 'denial', 'frequency', 'not-covered'),
    ('222', 'denial', 'frequency', 'not-covered'), ('18', 'denial', 'duplicate', 'other'),
    ('29', 'denial', 'timely-filing', 'not-covered'), ('8', 'denial', 'enrollment', 'missing-data'),
    ('170', 'denial', 'enrollment', 'not-covered'), ('185', 'denial', 'enrollment', 'not-covered'),
    ('B7', 'denial', 'enrollment', 'not-covered')
  ) AS d(reason_code, class, category, scenario)
),
own_rule AS (
  SELECT COALESCE(r.payer_id, '') AS payer_id, r.reason_code,
         MAX(CASE WHEN r.target_system = 'https://remit.example/fhir/rcm/CodeSystem/rcm-denial-class'
                  THEN r.target_code END) AS class,
         MAX(CASE WHEN r.target_system = 'https://remit.example/fhir/rcm/CodeSystem/rcm-denial-category'
                  THEN r.target_code END) AS category,
         MAX(CASE WHEN r.target_system = 'https://remit.example/fhir/rcm/CodeSystem/rcm-denial-scenario'
                  THEN r.target_code END) AS scenario
  FROM denial_rule r
  WHERE r.status = 'active' AND r.target_code IS NOT NULL
  GROUP BY COALESCE(r.payer_id, ''), r.reason_code
)
SELECT o.payer_id, o.reason_code, COALESCE(o.class, d.class, 'denial') AS class,
       COALESCE(o.category, d.category, 'other') AS category,
       COALESCE(o.scenario, d.scenario, 'other') AS scenario
FROM own_rule o LEFT JOIN default_rule d ON d.reason_code = o.reason_code
UNION ALL
SELECT '' AS payer_id, d.reason_code, d.class, d.category, d.scenario
FROM default_rule d LEFT JOIN own_rule o ON o.reason_code = d.reason_code AND o.payer_id = ''
WHERE o.reason_code IS NULL
